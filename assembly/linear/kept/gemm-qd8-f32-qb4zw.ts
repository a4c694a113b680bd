/**
 * y[M, N] = (a[M, K] * w[N, K]^T) * scales[M] + bias[N]
 *
 * Prefill: rows of 8-bit activations, blockwise 4-bit weights with zero points.
 *
 *   dot[m, n, g] = sum over k of group g of a[m, k] * (u[n, k] - z[n, g])        exact, i32
 *   y[m, n]      = (..((0 + dot[m, n, 0] * s[n, 0]) + dot[m, n, 1] * s[n, 1]) + ..) * scales[m] + bias[n]
 *                f32, each step rounded
 *
 *   q        i8[M, K]       -128..127
 *   scales   f32[M]         static rows carry the same scale in each place
 *   sums     i32[M, K/G]    -8 * sum of q over a group (quantize-activations.ts); accumulators start at z
 *            times an eighth of it, which is a whole number
 *   w        qb4zw panels   layout-kept.ts
 *   bias     f32[N]         or 0 for none
 *   y        f32[M, N]
 *   scratch  linear_scratch_bytes(M, K), the thread's own
 *
 * Units of work: panels begin..end of 8 channels. Writes y of these panels' channels below N and nothing
 * else; no over-read. A row's bits depend neither on M nor on its place, and equal those of
 * gemv_qd8_f32_qb4zw_1x8c4; with z = 8 throughout, those of qb4w. Preconditions: K % G == 0, G % 16 == 0, G
 * <= 4096; 16-byte alignment is fastest, none is needed. Loops: gemm-kept.ts; tile: gemm-tile.ts.
 */
import { multiplyRows, QB4ZW } from "./gemm-kept";

export function gemm_qd8_f32_qb4zw_x8c4(
  q: usize,
  scales: usize,
  sums: usize,
  w: usize,
  bias: usize,
  y: usize,
  M: i32,
  N: i32,
  K: i32,
  G: i32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  multiplyRows(QB4ZW, q, scales, sums, w, bias, y, M, N, K, G, begin, end, scratch);
}
