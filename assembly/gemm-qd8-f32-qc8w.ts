/**
 * y[M, N] = (a[M, K] * w[N, K]^T) * scales[M] + bias[N]      prefill: rows of 8-bit activations, 8-bit weights per channel (the head)
 *
 *   dot[m, n] = sum over k of a[m, k] * q[n, k]                         exact, i32
 *   y[m, n]   = (0 + dot[m, n] * s[n]) * scales[m] + bias[n]            f32, each step rounded
 *
 *   q        i8[M, K]       -128..127
 *   scales   f32[M]         static rows carry the same scale in each place
 *   w        qc8w panels    layout.ts
 *   bias     f32[N]         or 0 for none
 *   y        f32[M, N]
 *   scratch  linear_scratch_bytes(M, K), the thread's own
 *
 * Units of work: panels begin..end of 8 channels. Writes y of these panels' channels below N and nothing else; no over-read.
 * A row's bits depend neither on M nor on its place, and equal those of gemv_qd8_f32_qc8w_1x8c4.
 * Preconditions: K % 16 == 0, K <= 2^16 (128 * 127 * K stays in i32); 16-byte alignment is fastest, none is needed.
 *
 * Blocks and tile are those of gemm_qd8_f32_qb4w_4x8c4 with one group, G = K, and accumulators that start at 0.
 */
import { activationScratchBytes, NR, panelBytesQc8w, panelScratchBytes, ROW_BLOCK } from "./layout";
import { multiplyBlock } from "./gemm-tile";
import { unpackQc8w } from "./unpack-panel";
import { widenBlock } from "./widen-activations";

export function gemm_qd8_f32_qc8w_4x8c4(
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
  const panel = scratch + activationScratchBytes(M, K);
  const tile = panel + panelScratchBytes(K);
  const panelBytes = panelBytesQc8w(K);
  for (let m = 0; m < M; m += ROW_BLOCK) {
    const rows = min(ROW_BLOCK, M - m);
    widenBlock(q + <usize>m * K, scratch, rows, K);
    let packed = w + <usize>begin * panelBytes;
    for (let p = begin; p < end; p++, packed += panelBytes) {
      unpackQc8w(packed + 32, panel, K);
      const rowScales = scales + ((<usize>m) << 2);
      const rowsOfY = y + ((<usize>m * N) << 2);
      multiplyBlock(rows, scratch, panel, packed, 0, 0, 0, false, tile, rowScales, bias, rowsOfY, p * NR, N, K, K);
    }
  }
}
