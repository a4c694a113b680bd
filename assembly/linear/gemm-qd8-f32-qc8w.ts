/**
 * y[M, N] = (a[M, K] * w[N, K]^T) * scales[M] + bias[N]
 *
 * Prefill: rows of 8-bit activations, 8-bit weights per channel.
 *
 *   q        i8[M, K]       -128..127
 *   scales   f32[M]         static rows carry the same scale in each place
 *   w        qc8w panels    layout.ts
 *   bias     f32[N]         or 0 for none
 *   y        f32[M, N]      gemm-qc8w.ts has the equation
 *   scratch  linear_scratch_bytes(M, K), the thread's own
 *
 * Units of work: panels begin..end of 8 channels. Writes y of these panels' channels below N and nothing
 * else; no over-read. A row's bits depend neither on M nor on its place, and equal those of
 * gemv_qd8_f32_qc8w_1x8c4. Preconditions: K % 16 == 0; 16-byte alignment is fastest, none is needed.
 * Activations are arranged once for all panels.
 */
import { arrangeBlock, QD8_QC8W } from "./arrange-activations";
import { arrangeFew, readsPacked } from "./gemm-few-qc8w";
import { multiplyBlockQc8w } from "./gemm-qc8w";
import { ROW_BLOCK } from "../layouts/layout";

export function gemm_qd8_f32_qc8w_x8c4(
  q: usize,
  scales: usize,
  w: usize,
  bias: usize,
  y: usize,
  M: i32,
  N: i32,
  K: i32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  for (let blockBegin = 0; blockBegin < M; blockBegin += ROW_BLOCK) {
    const blockEnd = min(M, blockBegin + ROW_BLOCK);
    const rows = blockEnd - blockBegin;
    const block = q + <usize>blockBegin * K;
    if (readsPacked(rows)) arrangeFew(block, scratch, rows, K, false);
    else arrangeBlock(block, scratch, rows, K, QD8_QC8W);
    multiplyBlockQc8w(blockBegin, blockEnd, scales, w, bias, y, M, N, K, begin, end, scratch);
  }
}
