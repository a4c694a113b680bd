/**
 * Packing of 4-bit weights in two levels, to panels.
 *
 *   source       i32[rows, K/8]      element 8w + j of a row in bits 4j .. 4j+3 of word w, as u in 0..15
 *   scales       u8[rows, K/32]      s
 *   minima       u8[rows, K/32]      m
 *   multipliers  f32[rows, K/B, 2]   d, dmin
 *   packed       qb4mw panels of an [N, K] matrix (layout-kept.ts); channels rowBegin .. rowBegin + rows - 1
 *                are written
 *
 * Preconditions: rowBegin % 8 == 0; rows % 8 == 0 unless they end at N, where the last panel is padded; K % B
 * == 0, B % 32 == 0. Reads and writes nothing outside the shapes. Pieces of one matrix may be packed in any
 * order.
 */
import { NR } from "../../layouts/layout";
import {
  blockBytesQb4mw,
  GROUP_BYTES_QB4MW,
  GROUP_QB4MW,
  groupsOffsetQb4mw,
  MINIMA_OFFSET,
  panelBytesQb4mw,
  scalesOffsetQb4mw,
} from "../../layouts/layout-kept";
import { packNibbles } from "../pack-groups";

/** Bytes of a group of one row in `source`. */
const GROUP_WORDS: usize = 16;

export function pack_qb4mw(
  source: usize,
  scales: usize,
  minima: usize,
  multipliers: usize,
  packed: usize,
  rowBegin: i32,
  rows: i32,
  N: i32,
  K: i32,
  B: i32,
): void {
  const blocks = K / B;
  const groups = B / GROUP_QB4MW;
  const rowGroups = <usize>(K / GROUP_QB4MW);
  const stride = (<usize>K) >> 1;
  let block = packed + <usize>(rowBegin / NR) * panelBytesQb4mw(K, B);
  for (let row = 0; row < rows; row += NR) {
    const present = min(NR, rows - row);
    for (let b = 0; b < blocks; b++, block += blockBytesQb4mw(B)) {
      memory.fill(block, 0, groupsOffsetQb4mw(B));
      const group = <usize>row * rowGroups + <usize>(b * groups);
      for (let c: usize = 0; c < <usize>present; c++) {
        const pair = multipliers + (((<usize>row + c) * blocks + b) << 3);
        store<f32>(block + (c << 2), load<f32>(pair));
        store<f32>(block + (c << 2) + 32, load<f32>(pair, 4));
        const from = group + c * rowGroups;
        for (let g: usize = 0; g < <usize>groups; g++) {
          store<u8>(block + MINIMA_OFFSET + ((g >> 1) << 4) + (c << 1) + (g & 1), load<u8>(minima + from + g));
          store<u8>(block + scalesOffsetQb4mw(B) + (g << 3) + c, load<u8>(scales + from + g));
        }
      }
      let words = source + group * GROUP_WORDS;
      let panel = block + groupsOffsetQb4mw(B);
      for (const end = block + blockBytesQb4mw(B); panel < end; panel += GROUP_BYTES_QB4MW, words += GROUP_WORDS) {
        packNibbles(words, words + GROUP_WORDS, stride, present, 0, panel);
      }
    }
  }
}
