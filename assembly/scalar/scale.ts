/** Twin of `../elementwise/scale.ts`. */
export function scale_f32(x: usize, K: i32, scale: f32, begin: i32, end: i32): void {
  for (let i = (<usize>(begin * K)) << 2; i < (<usize>(end * K)) << 2; i += 4) store<f32>(x + i, load<f32>(x + i) * scale);
}
