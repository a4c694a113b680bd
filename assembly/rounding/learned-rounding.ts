/**
 * Rounding that is learned (AutoRound: Cheng et al. 2023, arXiv 2309.05516, Equations 3 and 4): a weight is
 * rounded where an offset of its own puts it, and offsets follow the sign of the gradient.
 *
 *   u = w[n,k] / scale[n, k / G]      t = u + offsets[n,k] * step(u)      q = the code nearest to t
 *
 *   round_learned_f32   rounded[n,k] = q * scale
 *   step_learned_f32    offsets[n,k] -= rate * sign(d * scale), within -1/2 .. 1/2, where t is in the codes
 *                       clips[n,g]   -= rate * sign(scale * sum of d c)
 *                       d = gradients[n,k], of the loss with respect to `rounded`; rounding counts as if it
 *                       were not there, so c = q - u, and q where t is beyond the codes
 *
 *   w, offsets, rounded, gradients  f32[N, K]      step  between the codes around u: 1, for E2M1 1, 2 or 4
 *   scales, clips                   f32[N, K/G]    none of the scales 0; clips within CLIP_LEAST .. CLIP_MOST
 *   top                             the largest code (code-grid.ts)
 *
 * Order of the sum: element k of lane k mod 4, ascending; then lanes (0 + 1) + (2 + 3). Preconditions: G a
 * multiple of 4. Reads and writes nothing outside the shapes. Units: rows.
 */
import { sumLanes } from "../math/simd";
import { exponentMask, lowestCode, roundCodes } from "./code-grid";

/** What scales may be multiplied by, at least and at most. */
export const CLIP_LEAST: f32 = 0.5;
export const CLIP_MOST: f32 = 1.5;

/** u + offset * step(u). */
@inline
function moved(u: v128, offset: v128, exponents: v128): v128 {
  const twice = f32x4.pmax(v128.and(u, exponents), f32x4.splat(2));
  return f32x4.add(u, f32x4.mul(offset, f32x4.mul(twice, f32x4.splat(0.5))));
}

/** -1, 0 or 1. */
@inline
function sign4(x: v128): v128 {
  const zero = f32x4.splat(0),
    one = f32x4.splat(1);
  return f32x4.sub(v128.and(f32x4.gt(x, zero), one), v128.and(f32x4.lt(x, zero), one));
}

export function round_learned_f32(
  w: usize,
  offsets: usize,
  scales: usize,
  rounded: usize,
  K: i32,
  G: i32,
  top: i32,
  begin: i32,
  end: i32,
): void {
  const low = f32x4.splat(<f32>lowestCode(top)),
    high = f32x4.splat(<f32>top),
    exponents = exponentMask(top);
  let at = (<usize>begin * K) << 2;
  let group = (<usize>begin * (K / G)) << 2;
  for (const last = (<usize>end * K) << 2; at < last; group += 4) {
    const scale = v128.load32_splat(scales + group);
    for (const groupEnd = at + ((<usize>G) << 2); at < groupEnd; at += 16) {
      const t = moved(f32x4.div(v128.load(w + at), scale), v128.load(offsets + at), exponents);
      v128.store(rounded + at, f32x4.mul(roundCodes(t, low, high, exponents), scale));
    }
  }
}

export function step_learned_f32(
  w: usize,
  offsets: usize,
  scales: usize,
  gradients: usize,
  clips: usize,
  K: i32,
  G: i32,
  top: i32,
  rate: f32,
  begin: i32,
  end: i32,
): void {
  const low = f32x4.splat(<f32>lowestCode(top)),
    high = f32x4.splat(<f32>top),
    exponents = exponentMask(top);
  const half = f32x4.splat(0.5),
    rates = f32x4.splat(rate);
  let at = (<usize>begin * K) << 2;
  let group = (<usize>begin * (K / G)) << 2;
  for (const last = (<usize>end * K) << 2; at < last; group += 4) {
    const scale = v128.load32_splat(scales + group);
    let sum = f32x4.splat(0);
    for (const groupEnd = at + ((<usize>G) << 2); at < groupEnd; at += 16) {
      const u = f32x4.div(v128.load(w + at), scale);
      const offset = v128.load(offsets + at);
      const t = moved(u, offset, exponents);
      const q = roundCodes(t, low, high, exponents);
      const d = v128.load(gradients + at);
      // Beyond the last code by no more than a half is still rounded to it.
      const within = v128.and(f32x4.le(t, f32x4.add(high, half)), f32x4.ge(t, f32x4.sub(low, half)));
      sum = f32x4.add(sum, f32x4.mul(d, v128.bitselect(f32x4.sub(q, u), q, within)));
      const step = v128.and(sign4(f32x4.mul(d, scale)), within);
      const changed = f32x4.sub(offset, f32x4.mul(rates, step));
      v128.store(offsets + at, f32x4.pmax(f32x4.pmin(changed, half), f32x4.neg(half)));
    }
    const slope = sumLanes(sum) * load<f32>(scales + group);
    const direction: f32 = slope > 0 ? 1 : slope < 0 ? -1 : 0;
    store<f32>(clips + group, max<f32>(min<f32>(load<f32>(clips + group) - rate * direction, CLIP_MOST), CLIP_LEAST));
  }
}
