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
import { packGroupScales, packNibbles } from "./pack-groups";

/** A word of padding: u = 8 in every nibble. */
const ZEROS: u32 = 0x88888888;

export function pack_qb4w(source: usize, scales: usize, packed: usize, rowBegin: i32, rows: i32, N: i32, K: i32, G: i32): void {
  const groups = K / G;
  const stride = (<usize>K) >> 1;
  const groupWords = (<usize>G) >> 1;
  let panel = packed + <usize>(rowBegin / NR) * panelBytesQb4w(K, G);
  for (let row = 0; row < rows; row += NR) {
    const present = min(NR, rows - row);
    let words = source + <usize>row * stride;
    for (let g = 0; g < groups; g++) {
      packGroupScales(scales, row, present, groups, g, panel);
      panel += (<usize>NR) << 2;
      packNibbles(words, words + groupWords, stride, present, ZEROS, panel);
      words += groupWords;
      panel += (<usize>G * NR) >> 1;
    }
  }
}
