/**
 * A panel of 4-bit weights in two levels, as the tile of a GEMM takes it (gemm-tile.ts).
 *
 * simd128: a weight is unpacked to int16 together with its group's integer scale, u * s, so products run
 * through a whole superblock and end in one float product, as those of qb4w with a group as long do. relaxed:
 * operands have 7 bits and u alone takes 4; each group's products times its scale are added to integers, in
 * relaxed-i16 from 16-bit lanes (superblock.ts), by the tile of gemm-tile-i16.ts.
 * The minima's part of a superblock is a thirty-second of its 16-bit products (superblock.ts), row by row.
 */
import { ADD_INTEGERS, ADD_SCALED, FROM_ZERO } from "../accumulators";
import { multiplyGroup, PANEL_BYTES_PER_K } from "../gemm-tile";
import { multiplyChunks } from "../gemm-tile-i16";
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
import { endBlock, unknownGroup } from "./superblock";
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

/**
 * R rows against a panel: `packed`, and its operands at `panel`, which `few` rows of relaxed-i16 do without.
 * `sum`: the first row's narrowed sums.
 */
@inline
export function multiplyBlocks(
  R: i32,
  few: bool,
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
    const scale = packed + scalesOffsetQb4mw(B);
    if (DOT_I16) {
      const source = few ? packed + groupsOffsetQb4mw(B) : panel;
      const G = unknownGroup(B);
      multiplyChunks(R, few, false, FROM_ZERO, ADD_INTEGERS, a, source, 0, G, B >> 5, scale, 8, 0, 0, integers);
      panel += <usize>B * PANEL_BYTES_PER_K;
      a += <usize>(B * R);
    } else if (ASC_FEATURE_RELAXED_SIMD) {
      for (let total = integers; total < integers + ((<usize>R) << 5); total += 16) v128.store(total, i32x4.splat(0));
      let scales = scale;
      for (const scalesEnd = scales + <usize>(B >> 2); scales < scalesEnd; scales += 8) {
        const panelEnd = panel + GROUP_PANEL_BYTES;
        multiplyGroup(R, FROM_ZERO, ADD_INTEGERS, false, a, panel, panelEnd, scales, 0, 0, 0, 0, integers);
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
