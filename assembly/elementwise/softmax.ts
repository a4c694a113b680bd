/**
 * Softmax with temperature: y[i] = e[i] / sum of e, where e[i] = exp((x[i] - max) / temperature).
 *
 *   x, y  f32[count]   y may be x
 *
 * Order of the sum: in f64, element i belongs to lane i mod 4, ascending; then lanes (0 + 1) + (2 + 3);
 * rounded to f32 once. Preconditions: temperature > 0; at least one element is finite and none is NaN or
 * +inf. -inf (a masked token) gives exactly 0. Reads and writes nothing outside the shapes. Whole.
 */
import { exp4 } from "../math/math";
import { loadPartial, loadPartialOver, maxOf, storePartial, sumWideLanes, widenHigh, widenLow } from "../math/simd";

export function softmax_f32(x: usize, y: usize, count: i32, temperature: f32): void {
  const max = f32x4.splat(maxOf(x, count));
  const divisor = f32x4.splat(temperature);
  const first = y;
  let low = f64x2.splat(0),
    high = low;
  // One step more than there are whole vectors: the last takes the 0 to 3 elements left.
  for (let left = count; left >= 0; left -= 4) {
    const logits = left >= 4 ? v128.load(x) : loadPartialOver(f32x4.splat(-Infinity), x, left);
    const e = exp4(f32x4.div(f32x4.sub(logits, max), divisor));
    if (left >= 4) v128.store(y, e);
    else storePartial(y, e, left);
    low = f64x2.add(low, widenLow(e));
    high = f64x2.add(high, widenHigh(e));
    x += 16;
    y += 16;
  }
  const sum = f32x4.splat(<f32>sumWideLanes(low, high));
  const rest = count & 3;
  y = first;
  for (const whole = y + ((<usize>(count & ~3)) << 2); y < whole; y += 16) v128.store(y, f32x4.div(v128.load(y), sum));
  storePartial(y, f32x4.div(loadPartial(y, rest), sum), rest);
}
