/**
 * The line of each group of 32 weights that leaves the least square error, each square weighted by how much
 * its channel matters:
 *
 *   step, low = argmin over candidates of  sum over k of importance[k] * (w[n,k] - (step * u[k] - low))^2
 *   u[k] = code((w[n,k] + low) / step), the nearest of 0..15, ties to even
 *
 *   w           f32[N, K]
 *   importance  f32[K], at least 0 (the diagonal of a Hessian); 0 for ones
 *   steps       f32[N, K/32], written: at least 0; 0 where all of a group is one weight, or next to
 *   lows        f32[N, K/32], written: at least 0, since a whole minimum has no sign (two-level.ts)
 *   centers     f32[N, K/32], written: the weighted mean of u, 7.5 where a group has no importance
 *
 * Candidates: the line from the smallest weight, or zero if that is smaller, to the largest. Then, for that
 * range shortened by 0 to 4 times 3 % at either end, the least-squares line of the codes that it gives; one
 * with a low below zero goes through zero. Then twice the least-squares line of the best codes so far.
 *
 * Order: four lanes, k ascending, then sumLanes; multiply and add are rounded apart; lines in f64 of those
 * sums. The first of equals wins. Preconditions: K a multiple of 32, w and importance aligned to 4 bytes.
 * Reads and writes nothing outside the shapes. Units: rows. Why this grid: 25 lines come within 1 % of the
 * error that 1600 leave (Gaussian weights, one in 50 three times as large).
 */
import { sumLanes } from "../math/simd";

/** Weights of a group, and the bytes of their floats. */
const G: i32 = 32;
const BYTES: usize = 128;
const TOP: f32 = 15;
const SHORTENINGS: i32 = 5;
const SHORTENING: f32 = 0.03;
const REFITS: i32 = 2;

/*
 * The line found last, w ~ step * u + minimum, and the mean of the codes it is of, stand where a group's
 * results do: at `steps`, `lows` and `centers`.
 */

@inline
function codes(w: v128, low: v128, inv: v128): v128 {
  const exact = f32x4.nearest(f32x4.mul(f32x4.sub(w, low), inv));
  return f32x4.pmax(f32x4.pmin(exact, f32x4.splat(TOP)), f32x4.splat(0));
}


@inline
function weighted(value: v128, importance: usize, k: usize): v128 {
  return importance == 0 ? value : f32x4.mul(value, v128.load(importance + k));
}

/** Weighted square error of the group at `w` on a line. */
function lineError(w: usize, importance: usize, slope: f32, least: f32): f32 {
  const low = f32x4.splat(least),
    size = f32x4.splat(slope),
    inv = f32x4.splat(1 / slope);
  let sum = f32x4.splat(0);
  for (let k: usize = 0; k < BYTES; k += 16) {
    const value = v128.load(w + k);
    const error = f32x4.sub(value, f32x4.add(f32x4.mul(codes(value, low, inv), size), low));
    sum = f32x4.add(sum, weighted(f32x4.mul(error, error), importance, k));
  }
  return sumLanes(sum);
}

/** Finds the least-squares line of the codes that another gives; false where none rises. */
function fitLine(w: usize, importance: usize, slope: f32, least: f32, steps: usize, lows: usize, centers: usize): bool {
  const low = f32x4.splat(least),
    inv = f32x4.splat(1 / slope),
    one = f32x4.splat(1);
  let sum1 = f32x4.splat(0),
    sumU = sum1,
    sumUU = sum1,
    sumW = sum1,
    sumUW = sum1;
  for (let k: usize = 0; k < BYTES; k += 16) {
    const value = v128.load(w + k);
    const u = codes(value, low, inv);
    const i = weighted(one, importance, k);
    const iu = f32x4.mul(i, u);
    sum1 = f32x4.add(sum1, i);
    sumU = f32x4.add(sumU, iu);
    sumUU = f32x4.add(sumUU, f32x4.mul(iu, u));
    sumW = f32x4.add(sumW, f32x4.mul(i, value));
    sumUW = f32x4.add(sumUW, f32x4.mul(iu, value));
  }
  return solve(sumLanes(sum1), sumLanes(sumU), sumLanes(sumUU), sumLanes(sumW), sumLanes(sumUW), steps, lows, centers);
}

function solve(sum1: f64, sumU: f64, sumUU: f64, sumW: f64, sumUW: f64, steps: usize, lows: usize, centers: usize): bool {
  const spread = sum1 * sumUU - sumU * sumU;
  let a = (sum1 * sumUW - sumU * sumW) / spread,
    b = (sumW - a * sumU) / sum1;
  if (b > 0) {
    a = sumUW / sumUU;
    b = 0;
  }
  store<f32>(steps, <f32>a);
  store<f32>(lows, <f32>b);
  store<f32>(centers, <f32>(sumU / sum1));
  return spread > 0 && isStep(<f32>a);
}

/** Whether a step has a reciprocal. */
@inline
function isStep(x: f32): bool {
  return x >= 1.1754943508222875e-38 && x < Infinity;
}

/** Leaves the best line of the group at `w`. */
function bestLine(w: usize, importance: usize, steps: usize, lows: usize, centers: usize): void {
  let least: f32 = 0,
    most: f32 = load<f32>(w);
  for (let k: usize = 0; k < BYTES; k += 4) {
    least = min<f32>(least, load<f32>(w + k));
    most = max<f32>(most, load<f32>(w + k));
  }
  const range = most - least;
  let bestStep: f32 = range / TOP,
    bestMinimum = least,
    bestCenter: f32 = 7.5;
  if (!isStep(bestStep)) {
    bestStep = 0;
    bestCenter = 0;
  }
  let error = lineError(w, importance, bestStep, bestMinimum);
  for (let c = 0; c < SHORTENINGS * SHORTENINGS + REFITS; c++) {
    let slope = bestStep,
      from = bestMinimum;
    if (c < SHORTENINGS * SHORTENINGS) {
      const below: f32 = SHORTENING * <f32>(c / SHORTENINGS),
        above: f32 = SHORTENING * <f32>(c % SHORTENINGS);
      from = least + below * range;
      slope = (range - (below + above) * range) / TOP;
    }
    if (!isStep(slope) || !fitLine(w, importance, slope, from, steps, lows, centers)) continue;
    const step = load<f32>(steps),
      minimum = load<f32>(lows);
    const left = lineError(w, importance, step, minimum);
    if (!(left < error)) continue;
    error = left;
    bestStep = step;
    bestMinimum = minimum;
    bestCenter = load<f32>(centers);
  }
  store<f32>(steps, bestStep);
  store<f32>(lows, bestMinimum < 0 ? -bestMinimum : 0);
  store<f32>(centers, bestCenter);
}

export function search_lines_f32(
  w: usize,
  importance: usize,
  steps: usize,
  lows: usize,
  centers: usize,
  K: i32,
  begin: i32,
  end: i32,
): void {
  for (let n = begin; n < end; n++) {
    for (let g = 0; g < K / G; g++) {
      const group = <usize>(n * (K / G) + g),
        at = group << 2;
      const weights = importance == 0 ? 0 : importance + <usize>g * BYTES;
      bestLine(w + group * BYTES, weights, steps + at, lows + at, centers + at);
    }
  }
}
