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
 * Blocks and tile are those of gemm_qd8_f32_qb4w_x8c4 with one group, G = K, and accumulators that start at 0. The relaxed build multiplies
 * the packed panel itself, twice: by the sign plane of the activations, then, onto -128 times that, by their low seven bits.
 */
import { arrangeBlock } from "./arrange-activations";
import { multiplyChannels, PANEL_BYTES_PER_K, storeTile } from "./gemm-tile";
import { activationScratchBytes, NR, panelBytesQc8w, panelScratchBytes, ROW_BLOCK, tileRows } from "./layout";
import { unpackQc8w } from "./unpack-panel";

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
  const unpacked = scratch + activationScratchBytes(M, K);
  const tile = unpacked + panelScratchBytes(K);
  const panelBytes = panelBytesQc8w(K);
  const channelBytes = <usize>K * PANEL_BYTES_PER_K;
  for (let blockBegin = 0; blockBegin < M; blockBegin += ROW_BLOCK) {
    const blockEnd = min(M, blockBegin + ROW_BLOCK);
    arrangeBlock(q + <usize>blockBegin * K, scratch, blockEnd - blockBegin, K, true);
    let packed = w + <usize>begin * panelBytes;
    for (let p = begin; p < end; p++, packed += panelBytes) {
      let panel = packed + 32;
      if (!ASC_FEATURE_RELAXED_SIMD) {
        unpackQc8w(panel, unpacked, K);
        panel = unpacked;
      }
      let a = scratch;
      for (let m = blockBegin; m < blockEnd;) {
        const R = tileRows(blockEnd - m);
        if (R == 4) multiplyChannels(4, a, panel, channelBytes, packed, tile);
        else if (R == 3) multiplyChannels(3, a, panel, channelBytes, packed, tile);
        else if (R == 2) multiplyChannels(2, a, panel, channelBytes, packed, tile);
        else if (R == 1) multiplyChannels(1, a, panel, channelBytes, packed, tile);
        else if (ASC_FEATURE_RELAXED_SIMD) {
          if (R == 6) multiplyChannels(6, a, panel, channelBytes, packed, tile);
          else multiplyChannels(5, a, panel, channelBytes, packed, tile);
        }
        storeTile(R, tile, scales + ((<usize>m) << 2), bias, y + ((<usize>m * N) << 2), p * NR, N);
        a += (<usize>R * K) << 1;
        m += R;
      }
    }
  }
}
