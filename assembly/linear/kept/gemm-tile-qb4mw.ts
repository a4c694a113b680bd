/**
 * A panel of 4-bit weights in two levels, as the tile of a GEMM takes it (gemm-tile.ts).
 *
 * simd128: a weight is unpacked to int16 together with its group's integer scale, u * s, so products run
 * through a whole superblock and end in one float product, as those of qb4w with a group as long do. relaxed:
 * operands have 7 bits and u alone takes 4; each group's products times its scale are added to integers, in
 * relaxed-i16 from 16-bit lanes (superblock.ts), by tiles of 4 rows as in gemm-tile-i16.ts.
 * The minima's part of a superblock is a thirty-second of its 16-bit products (superblock.ts), row by row.
 */
import { ADD_INTEGERS, ADD_SCALED, FROM_ZERO } from "../accumulators";
import { multiplyGroup, PANEL_BYTES_PER_K } from "../gemm-tile";
import { multiplyAdd } from "../gemm-tile-i16";
import { tileScratchBytes } from "../../layouts/layout";
import {
  blockBytesQb4mw,
  GROUP_BYTES_QB4MW,
  GROUP_QB4MW,
  groupPairs,
  groupsOffsetQb4mw,
  panelBytesQb4mw,
  scalesOffsetQb4mw,
} from "../../layouts/layout-kept";
import { addScaledLanes, endBlock, scalesHigh, scalesLow, unknownGroup } from "./superblock";
import { unpackQb4mw } from "../unpack-panel";

/** Bytes of an unpacked group. */
const GROUP_PANEL_BYTES: usize = 32 * PANEL_BYTES_PER_K;

/** A packed panel to operands. */
@inline
export function unpackBlocks(packed: usize, panel: usize, K: i32, B: i32): void {
  for (const end = packed + panelBytesQb4mw(K, B); packed < end; packed += blockBytesQb4mw(B)) {
    let scales = packed + scalesOffsetQb4mw(B);
    let group = packed + groupsOffsetQb4mw(B);
    for (const groupsEnd = packed + blockBytesQb4mw(B); group < groupsEnd; group += GROUP_BYTES_QB4MW) {
      unpackQb4mw(group, panel, scales, unknownGroup(B));
      panel += GROUP_PANEL_BYTES;
      scales += 8;
    }
  }
}

/** R rows against a panel: `packed`, and its operands at `panel`. `sum`: the first row's narrowed sums. */
@inline
export function multiplyBlocks(
  R: i32,
  a: usize,
  packed: usize,
  panel: usize,
  K: i32,
  B: i32,
  sum: usize,
  sumStride: usize,
  tile: usize,
): void {
  const integers = tile + tileScratchBytes();
  const tileEnd = tile + ((<usize>R) << 5);
  const pairs = groupPairs(B);
  for (let total = tile; total < tileEnd; total += 16) v128.store(total, f32x4.splat(0));
  for (const end = packed + panelBytesQb4mw(K, B); packed < end; packed += blockBytesQb4mw(B), sum += pairs << 2) {
    if (ASC_FEATURE_RELAXED_SIMD) {
      for (let total = integers; total < integers + ((<usize>R) << 5); total += 16) v128.store(total, i32x4.splat(0));
      let scales = packed + scalesOffsetQb4mw(B);
      for (const scalesEnd = scales + <usize>(B >> 2); scales < scalesEnd; scales += 8) {
        const panelEnd = panel + GROUP_PANEL_BYTES;
        if (DOT_I16) multiplyLanes(R, a, panel, panelEnd, scales, integers);
        else multiplyGroup(R, FROM_ZERO, ADD_INTEGERS, false, a, panel, panelEnd, scales, 0, 0, 0, 0, integers);
        panel = panelEnd;
        a += GROUP_QB4MW * R;
      }
    } else {
      const panelEnd = panel + <usize>B * PANEL_BYTES_PER_K;
      multiplyGroup(R, FROM_ZERO, ADD_SCALED, false, a, panel, panelEnd, packed, 0, 0, 0, 0, tile);
      panel = panelEnd;
      a += (<usize>B * R) << 1;
    }
    let rowSums = sum;
    let rowIntegers = integers;
    for (let total = tile; total < tileEnd; total += 32, rowIntegers += 32, rowSums += sumStride) {
      endBlock(ASC_FEATURE_RELAXED_SIMD, packed, pairs, rowSums, rowIntegers, total);
    }
  }
}

/** A group's products with R rows, in 16-bit lanes, times its scales u8[8], onto i32[R, 8] at `integers`. */
@inline
function multiplyLanes(R: i32, a: usize, panel: usize, panelEnd: usize, scales: usize, integers: usize): void {
  const zero = i16x8.splat(0);
  let low0 = zero;
  let low1 = zero;
  let low2 = zero;
  let low3 = zero;
  let high0 = zero;
  let high1 = zero;
  let high2 = zero;
  let high3 = zero;
  for (; panel < panelEnd; panel += 32, a += (<usize>R) << 2) {
    const low = v128.load(panel);
    const high = v128.load(panel, 16);
    let operand = v128.load32_splat(a);
    low0 = multiplyAdd(low0, low, operand);
    high0 = multiplyAdd(high0, high, operand);
    if (R > 1) {
      operand = v128.load32_splat(a, 4);
      low1 = multiplyAdd(low1, low, operand);
      high1 = multiplyAdd(high1, high, operand);
    }
    if (R > 2) {
      operand = v128.load32_splat(a, 8);
      low2 = multiplyAdd(low2, low, operand);
      high2 = multiplyAdd(high2, high, operand);
    }
    if (R > 3) {
      operand = v128.load32_splat(a, 12);
      low3 = multiplyAdd(low3, low, operand);
      high3 = multiplyAdd(high3, high, operand);
    }
  }
  const s = v128.load8x8_u(scales);
  const scaleLow = scalesLow(s);
  const scaleHigh = scalesHigh(s);
  addLanes(integers, low0, scaleLow);
  addLanes(integers + 16, high0, scaleHigh);
  if (R > 1) addLanes(integers + 32, low1, scaleLow);
  if (R > 1) addLanes(integers + 48, high1, scaleHigh);
  if (R > 2) addLanes(integers + 64, low2, scaleLow);
  if (R > 2) addLanes(integers + 80, high2, scaleHigh);
  if (R > 3) addLanes(integers + 96, low3, scaleLow);
  if (R > 3) addLanes(integers + 112, high3, scaleHigh);
}


@inline
function addLanes(integers: usize, dot: v128, scales: v128): void {
  v128.store(integers, addScaledLanes(v128.load(integers), dot, scales));
}
