/**
 * Jensen-Shannon divergence of the softmax of y from the softmax of x, in nats, and its gradient with respect
 * to the logits y, times a factor:
 *
 *   p = softmax(x)      q = softmax(y)      m = (p + q) / 2
 *   losses[row] = (sum of p ln(p / m) + sum of q ln(q / m)) / 2                  from 0 to ln 2
 *   y[v] <- q[v] (ln(q[v] / m[v]) - sum of q ln(q / m)) / 2 * factor             x[v] <- ln(q[v] / m[v])
 *
 *   x, y    f32[M, V], logits
 *   losses  f64[M]
 *
 * What p rules out adds nothing to its sum, nor what q does to the other: the limit of p ln p. Equal rows
 * give exactly 0. Order of the sums: in f64, element v belongs to lane v mod 4, ascending; then lanes (0 + 1)
 * + (2 + 3). Preconditions and the sums of softmax: softmax.ts. Reads and writes nothing outside the shapes.
 * Units: rows.
 */
import { softmax_f32 } from "../elementwise/softmax";
import { log4 } from "../math/math";
import { loadPartial, storePartial, sumWideLanes, widenHigh, widenLow } from "../math/simd";

/** ln(p / m), 0 where p is 0. */
@inline
function logShare(p: v128, twice: v128): v128 {
  const share = f32x4.div(f32x4.add(p, p), twice);
  return v128.and(log4(share), f32x4.ne(p, f32x4.splat(0)));
}

export function jsd_gradient_f32(x: usize, y: usize, losses: usize, factor: f32, V: i32, begin: i32, end: i32): void {
  const row = (<usize>V) << 2;
  const half = f32x4.splat(0.5 * factor);
  for (let m = <usize>begin; m < <usize>end; m++) {
    let p = x + m * row,
      q = y + m * row;
    softmax_f32(p, p, V, 1);
    softmax_f32(q, q, V, 1);
    let pLow = f64x2.splat(0),
      pHigh = pLow,
      qLow = pLow,
      qHigh = pLow;
    // One step more than there are whole vectors: the last takes the 0 to 3 elements left.
    for (let left = V; left >= 0; left -= 4) {
      const ps = left >= 4 ? v128.load(p) : loadPartial(p, left),
        qs = left >= 4 ? v128.load(q) : loadPartial(q, left);
      const twice = f32x4.add(ps, qs);
      const ofP = logShare(ps, twice),
        ofQ = logShare(qs, twice);
      pLow = f64x2.add(pLow, f64x2.mul(widenLow(ps), widenLow(ofP)));
      pHigh = f64x2.add(pHigh, f64x2.mul(widenHigh(ps), widenHigh(ofP)));
      qLow = f64x2.add(qLow, f64x2.mul(widenLow(qs), widenLow(ofQ)));
      qHigh = f64x2.add(qHigh, f64x2.mul(widenHigh(qs), widenHigh(ofQ)));
      if (left >= 4) v128.store(p, ofQ);
      else storePartial(p, ofQ, left);
      p += 16;
      q += 16;
    }
    const ofStudent = sumWideLanes(qLow, qHigh);
    store<f64>(losses + (m << 3), (sumWideLanes(pLow, pHigh) + ofStudent) / 2);
    const mean = f32x4.splat(<f32>ofStudent);
    p = x + m * row;
    q = y + m * row;
    for (const whole = q + ((<usize>(V & ~3)) << 2); q < whole; q += 16) {
      v128.store(q, f32x4.mul(f32x4.mul(v128.load(q), f32x4.sub(v128.load(p), mean)), half));
      p += 16;
    }
    const rest = V & 3;
    storePartial(q, f32x4.mul(f32x4.mul(loadPartial(q, rest), f32x4.sub(loadPartial(p, rest), mean)), half), rest);
  }
}
