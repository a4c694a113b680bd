/**
 * RMSNorm (Zhang and Sennrich 2019, equation 4), in Hugging Face's order of rounding.
 *
 *   r = 1 / sqrt(sum of x[k]^2 / K + eps)      y[k] = (x[k] * r) * weight[k]
 *
 *   x, y    f32[M, K], or `heads` heads of D at the start of rows of `stride` floats; y may be x
 *   weight  f32[K] (f32[D])
 *
 * Order of the sum: sum-row.ts. Square root and divisions are exact (IEEE), so all bits are fixed.
 */
import { loadPartial, storePartial } from "../math/simd";
import { sumRow, SQUARES } from "./sum-row";

/** r of f32[K] at x. Not inlined: one call for each row costs nothing, and six kernels share it. */
export function reciprocalRms(x: usize, K: i32, eps: f32): f32 {
  return 1 / sqrt<f32>(sumRow(SQUARES, x, K, f32x4.splat(0)) / <f32>K + eps);
}

/** Not inlined, for the same reason. */
function normalize(x: usize, weight: usize, y: usize, K: i32, eps: f32): void {
  const r = f32x4.splat(reciprocalRms(x, K, eps));
  for (const end = x + ((<usize>(K & ~3)) << 2); x < end; x += 16) {
    v128.store(y, f32x4.mul(f32x4.mul(v128.load(x), r), v128.load(weight)));
    y += 16;
    weight += 16;
  }
  const rest = K & 3;
  storePartial(y, f32x4.mul(f32x4.mul(loadPartial(x, rest), r), loadPartial(weight, rest)), rest);
}

/** Units: rows. */
export function rmsnorm_f32(x: usize, weight: usize, y: usize, M: i32, K: i32, eps: f32, begin: i32, end: i32): void {
  const row = (<usize>K) << 2;
  for (let m = begin; m < end; m++) normalize(x + <usize>m * row, weight, y + <usize>m * row, K, eps);
}

/** In place, per head. Units: rows. */
export function rmsnorm_heads_f32(
  x: usize,
  weight: usize,
  heads: i32,
  D: i32,
  stride: i32,
  eps: f32,
  begin: i32,
  end: i32,
): void {
  for (let m = begin; m < end; m++) {
    let head = x + <usize>m * ((<usize>stride) << 2);
    for (let h = 0; h < heads; h++) {
      normalize(head, weight, head, D, eps);
      head += (<usize>D) << 2;
    }
  }
}
