/**
 * y[M, N] = (a[M, K] * w[N, K]^T) * scales[M] + bias[N]
 *
 * Prefill: rows of 8-bit activations, 4-bit weights with a scale and a minimum in binary16.
 *
 *   dot[m, n, g] = sum over k of group g of a[m, k] * u[n, k]                        exact, i32
 *   sum[m, g]    = sum over k of group g of a[m, k]                                  exact, i32
 *   y[m, n]      = 0; for each g, ascending: y = y + (d[n, g] * dot + m[n, g] * sum)
 *                  then y * scales[m] + bias[n]                                      f32, each step rounded
 *
 * d and m become floats, exactly, once for a panel and a block of rows. Why the two terms are joined first:
 * they cancel for the most part, a minimum being about -7 times its scale.
 *
 *   q        i8[M, K]       -128..127
 *   scales   f32[M]         static rows carry the same scale in each place
 *   sums     i32[M, K/G]    -8 * sum of q over a group (quantize-activations.ts)
 *   w        qb4aw panels    layout-kept.ts
 *   bias     f32[N]         or 0 for none
 *   y        f32[M, N]
 *   scratch  linear_scratch_bytes(M, K), the thread's own
 *
 * Units of work: panels begin..end of 8 channels. Writes y of these panels' channels below N and nothing
 * else; no over-read. A row's bits depend neither on M nor on its place, and equal those of
 * gemv_qd8_f32_qb4aw_1x8c4. Preconditions: K % G == 0, G % 32 == 0, G <= 4096;
 * 16-byte alignment is fastest, none is needed. Loops: gemm-kept.ts; tile: gemm-tile.ts.
 */
import { multiplyRows, QB4AW } from "./gemm-kept";

export function gemm_qd8_f32_qb4aw_x8c4(
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
  multiplyRows(QB4AW, q, scales, sums, w, bias, y, M, N, K, G, begin, end, scratch);
}
