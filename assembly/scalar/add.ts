/** Twin of `../add.ts`. */
export function add_f32(x: usize, y: usize, K: i32, begin: i32, end: i32): void {
  for (let i = (<usize>(begin * K)) << 2; i < (<usize>(end * K)) << 2; i += 4) {
    store<f32>(x + i, load<f32>(x + i) + load<f32>(y + i));
  }
}
