/**
 * Softmax with temperature: y[i] = e[i] / sum of e, where e[i] = exp((x[i] - max) / temperature).
 *
 *   x, y  f32[count]   y may be x
 *
 * Order of the sum: in f64, element i belongs to lane i mod 4, ascending; then lanes (0 + 1) + (2 + 3); rounded to f32 once.
 * Preconditions: temperature > 0; at least one element is finite and none is NaN or +inf. -inf (a masked token) gives exactly 0.
 * Reads and writes nothing outside the shapes. Whole.
 */
import { exp4 } from "./math";
import { loadPartial, loadPartialOver, maxOf, storePartial, sumWideLanes, widenHigh, widenLow } from "./simd";

export function softmax_f32(x: usize, y: usize, count: i32, temperature: f32): void {
  const max = f32x4.splat(maxOf(x, count));
  const divisor = f32x4.splat(temperature);
  const whole = (<usize>(count & ~3)) << 2;
  const rest = count & 3;
  let low = f64x2.splat(0),
    high = low;
  for (let i: usize = 0; i < whole; i += 16) {
    const e = exp4(f32x4.div(f32x4.sub(v128.load(x + i), max), divisor));
    v128.store(y + i, e);
    low = f64x2.add(low, widenLow(e));
    high = f64x2.add(high, widenHigh(e));
  }
  if (rest > 0) {
    const last = loadPartialOver(f32x4.splat(-Infinity), x + whole, rest);
    const e = exp4(f32x4.div(f32x4.sub(last, max), divisor));
    storePartial(y + whole, e, rest);
    low = f64x2.add(low, widenLow(e));
    high = f64x2.add(high, widenHigh(e));
  }
  const sum = f32x4.splat(<f32>sumWideLanes(low, high));
  for (let i: usize = 0; i < whole; i += 16) v128.store(y + i, f32x4.div(v128.load(y + i), sum));
  storePartial(y + whole, f32x4.div(loadPartial(y + whole, rest), sum), rest);
}
