/**
 * What the GEMMs over 8-bit weights share, whatever their activations were before they were arranged:
 *
 *   dot[m, n, b] = sum over k of block b of a[m, k] * q[n, k]
 *                  exact, i32; blocks of CHANNEL_BLOCK = 2048 k
 *   y[m, n]      = (..((0 + dot[m, n, 0] * s[n]) + dot[m, n, 1] * s[n]) + ..) * scales[m] + bias[n]
 *                f32, each step rounded
 *
 *   a        rows blockBegin .. blockEnd - 1, arranged (arrange-activations.ts; few rows, gemm-few-qc8w.ts)
 *   w        qc8w panels    layout.ts
 *   scratch  begins with `a`
 *
 * Rows in a block and tile are those of gemm_qd8_f32_qb4w_x8c4. The relaxed build multiplies the packed panel
 * itself, once for each plane of the activations; the other one widens it to int16, but of few rows the
 * packed one in each tile.
 */
import { multiplyFewChannels, readsPacked } from "./gemm-few-qc8w";
import { multiplyChannels, storeTile } from "./gemm-tile";
import { activationScratchBytes, NR, panelBytesQc8w, panelScratchBytes, tileRows, weightsOffsetQc8w } from "../layouts/layout";
import { unpackQc8w } from "./unpack-panel";

/**
 * Panels begin..end of y for one block of rows. M is that of the call, from which the places in scratch
 * follow.
 */
export function multiplyBlockQc8w(
  blockBegin: i32,
  blockEnd: i32,
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
  const few = readsPacked(blockEnd - blockBegin);
  let packed = w + <usize>begin * panelBytes;
  for (let p = begin; p < end; p++, packed += panelBytes) {
    const offsets = packed + (NR << 2);
    let panel = packed + weightsOffsetQc8w(K);
    if (!ASC_FEATURE_RELAXED_SIMD && !few) {
      unpackQc8w(panel, unpacked, K);
      panel = unpacked;
    }
    let a = scratch;
    for (let m = blockBegin; m < blockEnd;) {
      const R = tileRows(blockEnd - m);
      if (!ASC_FEATURE_RELAXED_SIMD && few) {
        if (R == 4) multiplyFewChannels(4, a, K, panel, packed, tile);
        else if (R == 3) multiplyFewChannels(3, a, K, panel, packed, tile);
        else multiplyFewChannels(2, a, K, panel, packed, tile);
      } else if (R == 4) multiplyChannels(4, a, K, panel, packed, offsets, tile);
      else if (R == 3) multiplyChannels(3, a, K, panel, packed, offsets, tile);
      else if (R == 2) multiplyChannels(2, a, K, panel, packed, offsets, tile);
      else if (R == 1) multiplyChannels(1, a, K, panel, packed, offsets, tile);
      else if (ASC_FEATURE_RELAXED_SIMD) {
        if (R == 6) multiplyChannels(6, a, K, panel, packed, offsets, tile);
        else multiplyChannels(5, a, K, panel, packed, offsets, tile);
      }
      storeTile(R, tile, scales + ((<usize>m) << 2), bias, y + ((<usize>m * N) << 2), p * NR, N);
      a += (<usize>R * K) << 1;
      m += R;
    }
  }
}
