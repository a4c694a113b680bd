/**
 * y[N] = (a[K] * w[N, K]^T) * scales[0] + bias[N]
 *
 * Decode: one row of 14-bit activations, 8-bit weights per channel (the head).
 *
 *   q        i16[K]         -8191..8191
 *   scales   f32[1]
 *   w        qc8w panels    layout.ts
 *   bias     f32[N]         or 0 for none
 *   y        f32[N]         gemv-qc8w.ts has the equation
 *   scratch  linear_scratch_bytes(1, K), the thread's own
 *
 * Units of work: panels begin..end of 8 channels. Writes y of these panels' channels below N and nothing
 * else; no over-read. Preconditions: K % 16 == 0; 16-byte alignment is fastest, none is needed.
 */
import { arrangeRow, QD14_QC8W } from "./arrange-activations";
import { multiplyRowQc8w } from "./gemv-qc8w";

export function gemv_qd14_f32_qc8w_1x8c4(
  q: usize,
  scales: usize,
  w: usize,
  bias: usize,
  y: usize,
  N: i32,
  K: i32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  arrangeRow(q, scratch, K, 1, QD14_QC8W);
  multiplyRowQc8w(scratch, scales, w, bias, y, N, K, begin, end);
}
