/**
 * Packing of 4-bit weights with a scale and a minimum in binary16, to panels.
 *
 *   source   i32[rows, K/8]      element 8w + j of a row in bits 4j .. 4j+3 of word w, as u in 0..15
 *   halves   u16[rows, K/G, 2]   d, m: bits of finite binary16
 *   packed   qb4aw panels of an [N, K] matrix (layout-kept.ts); channels rowBegin .. rowBegin + rows - 1 are
 *            written
 *
 * Preconditions: rowBegin % 8 == 0; rows % 8 == 0 unless they end at N, where the last panel is padded; K % G
 * == 0, G % 32 == 0. Reads and writes nothing outside the shapes. Pieces of one matrix may be packed in any
 * order.
 */
import { NR } from "../../layouts/layout";
import { BLOCKS_OFFSET_QB4AW, MINIMA_OFFSET_QB4AW, panelBytesQb4aw } from "../../layouts/layout-kept";
import { packNibbles } from "../pack-groups";

export function pack_qb4aw(source: usize, halves: usize, packed: usize, rowBegin: i32, rows: i32, N: i32, K: i32, G: i32): void {
  const groups = K / G;
  const stride = (<usize>K) >> 1;
  const groupWords = (<usize>G) >> 1;
  let panel = packed + <usize>(rowBegin / NR) * panelBytesQb4aw(K, G);
  for (let row = 0; row < rows; row += NR) {
    const present = min(NR, rows - row);
    let words = source + <usize>row * stride;
    for (let g = 0; g < groups; g++) {
      for (let c = 0; c < NR; c++) {
        const pair = c < present ? load<u32>(halves + ((<usize>(row + c) * groups + g) << 2)) : 0;
        store<u16>(panel + ((<usize>c) << 1), <u16>pair);
        store<u16>(panel + ((<usize>c) << 1) + MINIMA_OFFSET_QB4AW, <u16>(pair >> 16));
      }
      panel += BLOCKS_OFFSET_QB4AW;
      packNibbles(words, words + groupWords, stride, present, 0, panel);
      words += groupWords;
      panel += (<usize>G * NR) >> 1;
    }
  }
}
