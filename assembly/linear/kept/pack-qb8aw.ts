/**
 * Packing of 8-bit weights with a scale and a minimum for each group, to panels.
 *
 *   source   i32[rows, K/4]      element 4w + j of a row in bits 8j .. 8j+7 of word w, as u in 0..255
 *   affine   f32[rows, K/G, 2]   scale, minimum
 *   packed   qb8aw panels of an [N, K] matrix (layout-kept.ts); channels rowBegin .. rowBegin + rows - 1 are
 *            written
 *
 * Preconditions: rowBegin % 8 == 0; rows % 8 == 0 unless they end at N, where the last panel is padded; K % G
 * == 0, G % 16 == 0. Reads and writes nothing outside the shapes. Pieces of one matrix may be packed in any
 * order.
 */
import { NR } from "../../layouts/layout";
import { BLOCKS_OFFSET_QB8AW, MINIMA_OFFSET_QB8AW, panelBytesQb8aw } from "../../layouts/layout-kept";
import { packOffsetBytes } from "../pack-groups";

export function pack_qb8aw(source: usize, affine: usize, packed: usize, rowBegin: i32, rows: i32, N: i32, K: i32, G: i32): void {
  const groups = K / G;
  let panel = packed + <usize>(rowBegin / NR) * panelBytesQb8aw(K, G);
  for (let row = 0; row < rows; row += NR) {
    const present = min(NR, rows - row);
    let words = source + <usize>row * K;
    for (let g = 0; g < groups; g++) {
      for (let c = 0; c < NR; c++) {
        const pair = affine + ((<usize>(row + c) * groups + g) << 3);
        store<f32>(panel + ((<usize>c) << 2), c < present ? load<f32>(pair) : 0);
        store<f32>(panel + ((<usize>c) << 2) + MINIMA_OFFSET_QB8AW, c < present ? load<f32>(pair, 4) : 0);
      }
      panel += BLOCKS_OFFSET_QB8AW;
      packOffsetBytes(words, words + G, K, present, panel);
      words += G;
      panel += <usize>G * NR;
    }
  }
}
