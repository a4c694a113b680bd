/**
 * The two passes over a row of logits that cross entropy and divergence share. Not inlined: one call for a
 * whole row costs nothing, and the code is there once.
 */
import { exp4 } from "../math/math";
import { loadPartialOver, maxOf, sumWideLanes, widenHigh, widenLow } from "../math/simd";

/** The largest element of x f32[V]; NaN never wins. */
export function largest(x: usize, V: i32): f32 {
  return maxOf(x, V);
}

/**
 * Sum of exp(x[v] - max) in f64: element v belongs to lane v mod 4, ascending; then lanes (0 + 1) + (2 + 3).
 */
export function exponentialSum(x: usize, V: i32, max: f32): f64 {
  const shift = f32x4.splat(max);
  let low = f64x2.splat(0),
    high = low;
  // One step more than there are whole vectors: the last takes the 0 to 3 elements left.
  for (let left = V; left >= 0; left -= 4) {
    const e = exp4(f32x4.sub(left >= 4 ? v128.load(x) : loadPartialOver(f32x4.splat(-Infinity), x, left), shift));
    low = f64x2.add(low, widenLow(e));
    high = f64x2.add(high, widenHigh(e));
    x += 16;
  }
  return sumWideLanes(low, high);
}
