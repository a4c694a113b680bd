/**
 * y[M, N] = (a[M, K] * w[N, K]^T) * scales[M] + bias[N]
 *
 * Prefill: rows of 8-bit activations, 4-bit weights in two levels.
 *
 *   dot[m, n, g] = sum over k of group g of a[m, k] * u[n, k]                        groups of 32; exact, i32
 *   D[m, n, b]   = sum over the groups g of superblock b of s[n, g] * dot[m, n, g]   exact, i32
 *   E[m, n, b]   = sum over the same g of m[n, g] * (sum of a[m, k] over group g)    exact, i32
 *   y[m, n]      = 0; for each b, ascending: y = (y + d[n, b] * D) - dmin[n, b] * E
 *                  then y * scales[m] + bias[n]                                      f32, each step rounded
 *
 *   q        i8[M, K]       -128..127
 *   scales   f32[M]         static rows carry the same scale in each place
 *   sums     i32[M, K/32]   -8 * sum of q over a group of 32 (quantize-activations.ts)
 *   w        qb4mw panels   layout-kept.ts
 *   bias     f32[N]         or 0 for none
 *   y        f32[M, N]
 *   scratch  linear_scratch_bytes(M, K), the thread's own
 *
 * Units of work: panels begin..end of 8 channels. Writes y of these panels' channels below N and nothing
 * else; no over-read. A row's bits depend neither on M nor on its place, and equal those of
 * gemv_qd8_f32_qb4mw_1x8c4. Preconditions: K % B == 0, B % 32 == 0, B <= 4096 (superblock.ts); 16-byte
 * alignment is fastest, none is needed. Loops: gemm-kept.ts, gemm-tile-qb4mw.ts.
 */
import { multiplyRows, QB4MW } from "./gemm-kept";

export function gemm_qd8_f32_qb4mw_x8c4(
  q: usize,
  scales: usize,
  sums: usize,
  w: usize,
  bias: usize,
  y: usize,
  M: i32,
  N: i32,
  K: i32,
  B: i32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  multiplyRows(QB4MW, q, scales, sums, w, bias, y, M, N, K, B, begin, end, scratch);
}
