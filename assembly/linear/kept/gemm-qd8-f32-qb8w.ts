/**
 * y[M, N] = (a[M, K] * w[N, K]^T) * scales[M] + bias[N]
 *
 * Prefill: rows of 8-bit activations, 8-bit weights with a scale for each group.
 *
 *   dot[m, n, g] = sum over k of group g of a[m, k] * q[n, k]           exact, i32
 *   y[m, n]      = (..((0 + dot[m, n, 0] * s[n, 0]) + dot[m, n, 1] * s[n, 1]) + ..) * scales[m] + bias[n]
 *                f32, each step rounded
 *
 *   q        i8[M, K]       -128..127
 *   scales   f32[M]         static rows carry the same scale in each place
 *   w        qb8w panels    layout-kept.ts
 *   bias     f32[N]         or 0 for none
 *   y        f32[M, N]
 *   scratch  linear_scratch_bytes(M, K), the thread's own
 *
 * Units of work: panels begin..end of 8 channels. Writes y of these panels' channels below N and nothing
 * else; no over-read. A row's bits depend neither on M nor on its place, and equal those of
 * gemv_qd8_f32_qb8w_1x8c4. Preconditions: K % G == 0, G % 16 == 0, G <= 65536 (128 * 128 * G
 * stays in i32); 16-byte alignment is fastest, none is needed. Loops: gemm-kept.ts, gemm-tile-qb8w.ts.
 */
import { multiplyRows, QB8W } from "./gemm-kept";

export function gemm_qd8_f32_qb8w_x8c4(
  q: usize,
  scales: usize,
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
  multiplyRows(QB8W, q, scales, 0, w, bias, y, M, N, K, G, begin, end, scratch);
}
