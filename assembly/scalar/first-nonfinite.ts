/** Twin of `../first-nonfinite.ts`. */
export function first_nonfinite_f32(x: usize, count: i32): i32 {
  for (let i = 0; i < count; i++) {
    if (!isFinite<f32>(load<f32>(x + ((<usize>i) << 2)))) return i;
  }
  return -1;
}
