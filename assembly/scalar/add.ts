/** Twin of `../add.ts`. */
export function add_f32(x: usize, y: usize, count: i32): void {
  for (let i: usize = 0; i < (<usize>count) << 2; i += 4) store<f32>(x + i, load<f32>(x + i) + load<f32>(y + i));
}
