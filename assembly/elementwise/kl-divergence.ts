/**
 * Kullback-Leibler divergence of the softmax of y from the softmax of x, in nats: how much of what x tells
 * about the next token y loses.
 *
 *   KL(p || q) = sum over v of p[v] (ln p[v] - ln q[v])             p = softmax(x), q = softmax(y)
 *              = (sum e[v] (x[v] - y[v])) / X  -  (max x - max y)  -  ln(X / Y)
 *   where e[v] = exp(x[v] - max x), X = sum e, Y = sum of exp(y[v] - max y)
 *
 *   x, y  f32[V], logits
 *
 * Why one division inside one logarithm: equal logits then give exactly 0. A token that x rules out (e[v] =
 * 0) adds nothing, whatever y says of it: the limit of p ln p. One that only y rules out gives infinity.
 *
 * Order of the sums: in f64, element v belongs to lane v mod 4, ascending; then lanes (0 + 1) + (2 + 3).
 * Error: with a = max x - x and b = max y - y, an exponential is off by (a + 2) 2^-24 or (b + 2) 2^-24
 * relative, differences and sums are in f64; so the result is off by 2^-24 times sum p (a + 2) (|ln(p/q) -
 * KL| + 1) + sum q (b + 2), about 1e-6 for V = 49152. It can be that much below zero. NaN or infinite logits
 * give NaN or infinity. Reads nothing outside the shapes, writes nothing.
 */
import { exponentialSum, largest } from "./exponential-sum";
import { exp4 } from "../math/math";
import { log } from "../math/math-f64";
import { loadPartialOver, sumWideLanes, widenHigh, widenLow } from "../math/simd";

/** e (x - y), two lanes in f64; 0 where e is 0. */
@inline
function weighted(e: v128, x: v128, y: v128): v128 {
  return v128.and(f64x2.mul(e, f64x2.sub(x, y)), f64x2.ne(e, f64x2.splat(0)));
}

/** Sum of e[v] (x[v] - y[v]). */
function weightedDifference(x: usize, y: usize, V: i32, max: f32): f64 {
  const shift = f32x4.splat(max);
  let low = f64x2.splat(0),
    high = low;
  // One step more than there are whole vectors: the last takes the 0 to 3 elements left.
  for (let left = V; left >= 0; left -= 4) {
    const u = left >= 4 ? v128.load(x) : loadPartialOver(f32x4.splat(-Infinity), x, left);
    const w = left >= 4 ? v128.load(y) : loadPartialOver(f32x4.splat(0), y, left);
    const e = exp4(f32x4.sub(u, shift));
    low = f64x2.add(low, weighted(widenLow(e), widenLow(u), widenLow(w)));
    high = f64x2.add(high, weighted(widenHigh(e), widenHigh(u), widenHigh(w)));
    x += 16;
    y += 16;
  }
  return sumWideLanes(low, high);
}

export function kl_divergence_f32(x: usize, y: usize, V: i32): f64 {
  const xMax = largest(x, V);
  const yMax = largest(y, V);
  const X = exponentialSum(x, V, xMax);
  const mean = weightedDifference(x, y, V, xMax) / X;
  return mean - (<f64>xMax - <f64>yMax) - log(X / exponentialSum(y, V, yMax));
}
