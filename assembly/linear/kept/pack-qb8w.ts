/**
 * Packing of 8-bit weights with a scale for each group: rows as compressed-tensors stores them, to panels.
 *
 *   source   i32[rows, K/4]
 *            element 4w + j of a row in bits 8j .. 8j+7 of word w, as q + 128 (`pack-quantized`, num_bits 8)
 *   scales   f32[rows, K/G]
 *   packed   qb8w panels of an [N, K] matrix (layout-kept.ts); channels rowBegin .. rowBegin + rows - 1 are
 *            written
 *
 * Preconditions: rowBegin % 8 == 0; rows % 8 == 0 unless they end at N, where the last panel is padded; K % G
 * == 0, G % 16 == 0. Reads and writes nothing outside the shapes. Pieces of one matrix may be packed in any
 * order.
 */
import { NR } from "../../layouts/layout";
import { panelBytesQb8w } from "../../layouts/layout-kept";
import { packGroupScales, packOffsetBytes } from "../pack-groups";

export function pack_qb8w(source: usize, scales: usize, packed: usize, rowBegin: i32, rows: i32, N: i32, K: i32, G: i32): void {
  const groups = K / G;
  let panel = packed + <usize>(rowBegin / NR) * panelBytesQb8w(K, G);
  for (let row = 0; row < rows; row += NR) {
    const present = min(NR, rows - row);
    let words = source + <usize>row * K;
    for (let g = 0; g < groups; g++) {
      packGroupScales(scales, row, present, groups, g, panel);
      panel += (<usize>NR) << 2;
      packOffsetBytes(words, words + G, K, present, panel);
      words += G;
      panel += <usize>G * NR;
    }
  }
}
