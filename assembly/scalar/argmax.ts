/** Twin of `../argmax.ts`. */
export function argmax_f32(x: usize, count: i32): i32 {
  let best = -1;
  let largest: f32 = 0;
  for (let i = 0; i < count; i++) {
    const value = load<f32>(x + ((<usize>i) << 2));
    if (isNaN<f32>(value) || (best >= 0 && value <= largest)) continue;
    best = i;
    largest = value;
  }
  return max(best, 0);
}
