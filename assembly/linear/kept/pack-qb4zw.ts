/**
 * Packing of 4-bit weights with zero points, to panels.
 *
 *   source   i32[rows, K/8]    element 8w + j of a row in bits 4j .. 4j+3 of word w, as u in 0..15
 *   scales   f32[rows, K/G]
 *   zeros    u8[rows, K/G]     0..16, checked before (src/checkpoint/quantization/zero-points.ts)
 *   packed   qb4zw panels of an [N, K] matrix (layout-kept.ts); channels rowBegin .. rowBegin + rows - 1 are
 *            written
 *
 * Preconditions: rowBegin % 8 == 0; rows % 8 == 0 unless they end at N, where the last panel is padded; K % G
 * == 0, G % 16 == 0. Reads and writes nothing outside the shapes. Pieces of one matrix may be packed in any
 * order.
 */
import { NR } from "../../layouts/layout";
import { panelBytesQb4zw, ZEROS_OFFSET } from "../../layouts/layout-kept";
import { packGroupScales, packNibbles } from "../pack-groups";

export function pack_qb4zw(
  source: usize,
  scales: usize,
  zeros: usize,
  packed: usize,
  rowBegin: i32,
  rows: i32,
  N: i32,
  K: i32,
  G: i32,
): void {
  const groups = K / G;
  const stride = (<usize>K) >> 1;
  const groupWords = (<usize>G) >> 1;
  let panel = packed + <usize>(rowBegin / NR) * panelBytesQb4zw(K, G);
  for (let row = 0; row < rows; row += NR) {
    const present = min(NR, rows - row);
    let words = source + <usize>row * stride;
    for (let g = 0; g < groups; g++) {
      packGroupScales(scales, row, present, groups, g, panel);
      panel += ZEROS_OFFSET;
      for (let c = 0; c < NR; c++, panel += 2) {
        store<i16>(panel, c < present ? <i16>load<u8>(zeros + <usize>((row + c) * groups + g)) : 0);
      }
      packNibbles(words, words + groupWords, stride, present, 0, panel);
      words += groupWords;
      panel += (<usize>G * NR) >> 1;
    }
  }
}
