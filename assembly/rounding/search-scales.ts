/**
 * The scale of each group of weights that leaves the least square error, each square weighted by how much its
 * channel matters:
 *
 *   scale[n,g] = argmin over candidates s of  sum over k of importance[k] * (w[n,k] - s * code(w[n,k] / s))^2
 *
 *   w           f32[N, K]
 *   importance  f32[K], at least 0 (the diagonal of a Hessian); 0 for ones
 *   scales      f32[N, K/G], written; never 0: a group of zeros gets 1
 *   top         the largest code, which tells the kind (code-grid.ts)
 *   type        how scales are stored (storable-scale.ts)
 *
 * Candidates: the largest magnitude of the group divided by `top` (round to nearest), and by (top + 1) *
 * (0.8, 0.8 * 1.04, ..., 2.7), with both signs, since integers reach one further below zero than above: a
 * negative scale lets the largest weight, whatever its sign, use that code. E2M1 has both signs of every
 * code, and its codes lie so far apart at the end that a largest weight below the last but one may be best:
 * its ratios are 0.6 to 2.1. Then twice the least-squares scale of the best codes so far, sum(i w q) / sum(i
 * q^2), which no grid hits. Each is rounded to `type` before it is tried.
 *
 * Order: eight lanes, k ascending, (lanes 0-3 + lanes 4-7), then sumLanes; multiply and add are rounded
 * apart. The first of equals wins. Preconditions: G a multiple of 8, w and importance aligned to 4 bytes.
 * Reads and writes nothing outside the shapes. Units: rows. Why this grid: equal steps in proportion, coarser
 * than refitting can make up for, down to where a group gives up its largest weight.
 */
import { exponentMask, lowestCode, roundCodes } from "./code-grid";
import { sumLanes } from "../math/simd";
import { storableScale } from "./storable-scale";

const FIRST_RATIO: f32 = 0.8;
const FIRST_E2M1_RATIO: f32 = 0.6;
const RATIO_STEP: f32 = 1.04;
const RATIOS: i32 = 32;
const REFITS: i32 = 2;


@inline
function weighted(value: v128, importance: usize): v128 {
  return importance == 0 ? value : f32x4.mul(value, v128.load(importance));
}

/** Weighted square error of the group at `w` under `scale`. */
function groupError(w: usize, importance: usize, G: i32, scale: f32, top: i32): f32 {
  const inv = f32x4.splat(1 / scale),
    step = f32x4.splat(scale);
  const high = f32x4.splat(<f32>top),
    low = f32x4.splat(<f32>lowestCode(top)),
    exponents = exponentMask(top);
  let sum0 = f32x4.splat(0),
    sum1 = sum0;
  for (const end = w + ((<usize>G) << 2); w < end; w += 32) {
    const w0 = v128.load(w),
      w1 = v128.load(w, 16);
    const e0 = f32x4.sub(w0, f32x4.mul(roundCodes(f32x4.mul(w0, inv), low, high, exponents), step));
    const e1 = f32x4.sub(w1, f32x4.mul(roundCodes(f32x4.mul(w1, inv), low, high, exponents), step));
    sum0 = f32x4.add(sum0, weighted(f32x4.mul(e0, e0), importance));
    sum1 = f32x4.add(sum1, weighted(f32x4.mul(e1, e1), importance == 0 ? 0 : importance + 16));
    if (importance != 0) importance += 32;
  }
  return sumLanes(f32x4.add(sum0, sum1));
}

/** The least-squares scale of the codes that `scale` gives; 0 where all of them are 0. */
function refitScale(w: usize, importance: usize, G: i32, scale: f32, top: i32): f32 {
  const inv = f32x4.splat(1 / scale);
  const high = f32x4.splat(<f32>top),
    low = f32x4.splat(<f32>lowestCode(top)),
    exponents = exponentMask(top);
  let product = f32x4.splat(0),
    square = product;
  for (const end = w + ((<usize>G) << 2); w < end; w += 16) {
    const value = v128.load(w);
    const q = roundCodes(f32x4.mul(value, inv), low, high, exponents);
    const weightedQ = weighted(q, importance);
    product = f32x4.add(product, f32x4.mul(weightedQ, value));
    square = f32x4.add(square, f32x4.mul(weightedQ, q));
    if (importance != 0) importance += 16;
  }
  const squares = sumLanes(square);
  return squares > 0 ? sumLanes(product) / squares : 0;
}


@inline
function usable(scale: f32): bool {
  const magnitude = abs<f32>(scale);
  // The reciprocal of anything smaller overflows.
  return magnitude >= 1.1754943508222875e-38 && magnitude < Infinity;
}

/** The best scale of one group of G floats at `w`. */
export function bestScale(w: usize, importance: usize, G: i32, top: i32, type: i32): f32 {
  let absmax: f32 = 0;
  for (let k: usize = 0; k < (<usize>G) << 2; k += 4) absmax = max<f32>(absmax, abs<f32>(load<f32>(w + k)));
  let best: f32 = 1,
    least: f32 = Infinity,
    divisor: f32 = <f32>top;
  const twoSigns = lowestCode(top) != -top;
  for (let c = 0; c <= RATIOS; c++) {
    const scale = storableScale(absmax / divisor, type);
    divisor = c == 0 ? <f32>(top + 1) * (twoSigns ? FIRST_RATIO : FIRST_E2M1_RATIO) : divisor * RATIO_STEP;
    if (!usable(scale)) continue;
    const positive = groupError(w, importance, G, scale, top);
    if (positive < least) {
      least = positive;
      best = scale;
    }
    if (!twoSigns) continue;
    const negative = groupError(w, importance, G, -scale, top);
    if (negative < least) {
      least = negative;
      best = -scale;
    }
  }
  for (let c = 0; c < REFITS; c++) {
    const scale = storableScale(refitScale(w, importance, G, best, top), type);
    if (!usable(scale)) break;
    const error = groupError(w, importance, G, scale, top);
    if (!(error < least)) break;
    least = error;
    best = scale;
  }
  return best;
}

export function search_scales_f32(
  w: usize,
  importance: usize,
  scales: usize,
  K: i32,
  G: i32,
  top: i32,
  type: i32,
  begin: i32,
  end: i32,
): void {
  const group = (<usize>G) << 2;
  for (let n = begin; n < end; n++) {
    const row = w + ((<usize>n * K) << 2);
    let scale = scales + ((<usize>n * (K / G)) << 2);
    for (let k: usize = 0; k < (<usize>K) << 2; k += group) {
      store<f32>(scale, bestScale(row + k, importance == 0 ? 0 : importance + k, G, top, type));
      scale += 4;
    }
  }
}
