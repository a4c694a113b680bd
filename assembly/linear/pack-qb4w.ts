/**
 * Packing of 4-bit weights: rows as compressed-tensors stores them, to panels.
 *
 *   source   i32[rows, K/8]    element 8w + j of a row in bits 4j .. 4j+3 of word w, as u = q + 8
 *            (`pack-quantized`, num_bits 4)
 *   scales   f32[rows, K/G]
 *   packed   qb4w panels of an [N, K] matrix (layout.ts); channels rowBegin .. rowBegin + rows - 1 are
 *            written
 *
 * Preconditions: rowBegin % 8 == 0; rows % 8 == 0 unless they end at N, where the last panel is padded; K % G
 * == 0, G % 16 == 0. Reads and writes nothing outside the shapes. Pieces of one matrix may be packed in any
 * order.
 */
import { NR, panelBytesQb4w } from "../layouts/layout";

/** A word of padding: u = 8 in every nibble. */
const ZEROS: u32 = 0x88888888;

/** Eight nibbles to the low halves of eight bytes. */
@inline
function spreadNibbles(word: u32): u64 {
  let spread = <u64>word;
  spread = (spread | (spread << 16)) & 0x0000ffff0000ffff;
  spread = (spread | (spread << 8)) & 0x00ff00ff00ff00ff;
  return (spread | (spread << 4)) & 0x0f0f0f0f0f0f0f0f;
}

export function pack_qb4w(source: usize, scales: usize, packed: usize, rowBegin: i32, rows: i32, N: i32, K: i32, G: i32): void {
  const wordStride = (<usize>K) >> 1;
  const scaleStride = (<usize>(K / G)) << 2;
  const groupWords = (<usize>G) >> 1;
  let panel = packed + <usize>(rowBegin / NR) * panelBytesQb4w(K, G);
  for (let row = 0; row < rows; row += NR) {
    const present = min(NR, rows - row);
    let words = source + <usize>row * wordStride;
    let groupScales = scales + <usize>row * scaleStride;
    for (const end = words + wordStride; words < end; groupScales += 4) {
      for (let c = 0; c < NR; c++) {
        store<f32>(panel + ((<usize>c) << 2), c < present ? load<f32>(groupScales + <usize>c * scaleStride) : 0);
      }
      panel += (<usize>NR) << 2;
      // One word of a channel is two blocks of 16 bytes; channel c + 4 takes the high nibbles of channel c's
      // bytes.
      for (const groupEnd = words + groupWords; words < groupEnd; words += 4, panel += 32) {
        for (let c = 0; c < 4; c++) {
          const low = c < present ? load<u32>(words + <usize>c * wordStride) : ZEROS;
          const high = c + 4 < present ? load<u32>(words + <usize>(c + 4) * wordStride) : ZEROS;
          const bytes = spreadNibbles(low) | (spreadNibbles(high) << 4);
          store<u32>(panel + ((<usize>c) << 2), <u32>bytes);
          store<u32>(panel + ((<usize>c) << 2), <u32>(bytes >> 32), 16);
        }
      }
    }
  }
}
