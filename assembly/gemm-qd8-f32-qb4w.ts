/**
 * y[M, N] = (a[M, K] * w[N, K]^T) * scales[M] + bias[N]      prefill: rows of 8-bit activations, blockwise 4-bit weights
 *
 *   dot[m, n, g] = sum over k of group g of a[m, k] * (u[n, k] - 8)     exact, i32
 *   y[m, n]      = (..((0 + dot[m, n, 0] * s[n, 0]) + dot[m, n, 1] * s[n, 1]) + ..) * scales[m] + bias[n]     f32, each step rounded
 *
 *   q        i8[M, K]       -128..127
 *   scales   f32[M]         static rows carry the same scale in each place
 *   sums     i32[M, K/G]    -8 * sum of q over a group (quantize-activations.ts): where the accumulators start
 *   w        qb4w panels    layout.ts
 *   bias     f32[N]         or 0 for none
 *   y        f32[M, N]
 *   scratch  linear_scratch_bytes(M, K), the thread's own
 *
 * Units of work: panels begin..end of 8 channels. Writes y of these panels' channels below N and nothing else; no over-read.
 * A row's bits depend neither on M nor on its place, and equal those of gemv_qd8_f32_qb4w_1x8c4.
 * Preconditions: K % G == 0, G % 16 == 0, G <= 2^19 (15 * 127 * G stays in i32); 16-byte alignment is fastest, none is needed.
 *
 * Blocks of ROW_BLOCK rows: activations are widened once for all panels, each panel is unpacked once for all rows of the block, and
 * the tile (gemm-tile.ts) meets nothing but 16-bit operands.
 */
import { activationScratchBytes, groupBytesQb4w, NR, panelBytesQb4w, panelScratchBytes, ROW_BLOCK } from "./layout";
import { multiplyBlock } from "./gemm-tile";
import { unpackQb4w } from "./unpack-panel";
import { widenBlock } from "./widen-activations";

export function gemm_qd8_f32_qb4w_4x8c4(
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
  const panel = scratch + activationScratchBytes(M, K);
  const tile = panel + panelScratchBytes(K);
  const panelBytes = panelBytesQb4w(K, G);
  const groupBytes = groupBytesQb4w(G);
  const sumStride = (<usize>(K / G)) << 2;
  for (let m = 0; m < M; m += ROW_BLOCK) {
    const rows = min(ROW_BLOCK, M - m);
    widenBlock(q + <usize>m * K, scratch, rows, K);
    let packed = w + <usize>begin * panelBytes;
    for (let p = begin; p < end; p++, packed += panelBytes) {
      for (let g: usize = 0; g < <usize>(K / G); g++) {
        unpackQb4w(packed + g * groupBytes + 32, panel + ((g * G) << 4), G);
      }
      multiplyBlock(
        rows,
        scratch,
        panel,
        packed,
        groupBytes,
        sums + <usize>m * sumStride,
        sumStride,
        true,
        tile,
        scales + ((<usize>m) << 2),
        bias,
        y + ((<usize>m * N) << 2),
        p * NR,
        N,
        K,
        G,
      );
    }
  }
}
