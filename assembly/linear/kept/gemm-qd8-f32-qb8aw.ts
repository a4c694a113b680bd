/**
 * y[M, N] = (a[M, K] * w[N, K]^T) * scales[M] + bias[N]
 *
 * Prefill: rows of 8-bit activations, 8-bit weights with a scale and a minimum for each group.
 *
 *   dot[m, n, g] = sum over k of group g of a[m, k] * u[n, k]                        exact, i32
 *   sum[m, g]    = sum over k of group g of a[m, k]                                  exact, i32
 *   y[m, n]      = 0; for each g, ascending: y = y + (s[n, g] * dot + z[n, g] * sum)
 *                  then y * scales[m] + bias[n]                                      f32, each step rounded
 *
 * u is q + 128 (layout-kept.ts), s its scale and z its minimum.
 *
 *   q        i8[M, K]       -128..127
 *   scales   f32[M]         static rows carry the same scale in each place
 *   sums     i32[M, K/G]    -8 * sum of q over a group (quantize-activations.ts)
 *   w        qb8aw panels    layout-kept.ts
 *   bias     f32[N]         or 0 for none
 *   y        f32[M, N]
 *   scratch  linear_scratch_bytes(M, K), the thread's own
 *
 * Units of work: panels begin..end of 8 channels. Writes y of these panels' channels below N and nothing
 * else; no over-read. A row's bits depend neither on M nor on its place, and equal those of
 * gemv_qd8_f32_qb8aw_1x8c4. Preconditions: K % G == 0, G % 16 == 0, G <= 65536
 * (255 * 128 * G stays in i32); 16-byte alignment is fastest, none is needed. Loops: gemm-kept.ts,
 * gemm-tile-qb8w.ts.
 */
import { multiplyRows, QB8AW } from "./gemm-kept";

export function gemm_qd8_f32_qb8aw_x8c4(
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
  multiplyRows(QB8AW, q, scales, sums, w, bias, y, M, N, K, G, begin, end, scratch);
}
