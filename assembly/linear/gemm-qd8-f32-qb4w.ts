/**
 * y[M, N] = (a[M, K] * w[N, K]^T) * scales[M] + bias[N]
 *
 * Prefill: rows of 8-bit activations, blockwise 4-bit weights, int or E2M1.
 *
 *   dot[m, n, g] = sum over k of group g of a[m, k] * (u[n, k] - 8)     exact, i32; E2M1: u - 12 (e2m1.ts)
 *   y[m, n]      = (..((0 + dot[m, n, 0] * s[n, 0]) + dot[m, n, 1] * s[n, 1]) + ..) * scales[m] + bias[n]
 *                f32, each step rounded
 *
 *   q        i8[M, K]       -128..127
 *   scales   f32[M]         static rows carry the same scale in each place
 *   sums     i32[M, K/G]    -8 * sum of q over a group (quantize-activations.ts): where accumulators start
 *   w        qb4w or qb4fw panels           layout.ts
 *   bias     f32[N]         or 0 for none
 *   y        f32[M, N]
 *   scratch  linear_scratch_bytes(M, K), the thread's own
 *
 * Units of work: panels begin..end of 8 channels. Writes y of these panels' channels below N and nothing
 * else; no over-read. A row's bits depend neither on M nor on its place, and equal those of the GEMV of the
 * same weights. Preconditions: K % G == 0, G % 16 == 0, G <= 2^19 (24 * 128 * G stays in i32); 16-byte
 * alignment is fastest, none is needed.
 *
 * Blocks of ROW_BLOCK rows: activations are arranged once for all panels, each panel is unpacked once for all
 * rows of the block, and the tile (gemm-tile.ts, in relaxed-i16 gemm-tile-i16.ts) meets nothing but operands
 * of its dot product. So both kinds of weights are one function: they differ in how a panel is unpacked and
 * in where accumulators start, which is copied once for a block. In relaxed-i16 that stands among the
 * arranged activations, and `sums` is not read.
 */
import { arrangeBlock, QD8_QB4W } from "./arrange-activations";
import { arrangeChunks, chunkedRowBytes } from "./arrange-chunks";
import { ADD_SCALED, FROM_SUM } from "./accumulators";
import { multiplyGroups, PANEL_BYTES_PER_K, storeTile } from "./gemm-tile";
import { MOST_PACKED_ROWS, multiplyChunks } from "./gemm-tile-i16";
import { offsetSums } from "./e2m1";
import {
  activationScratchBytes,
  groupBytesQb4w,
  NR,
  panelBytesQb4w,
  panelScratchBytes,
  ROW_BLOCK,
  tileRows,
  tileScratchBytes,
} from "../layouts/layout";
import { unpackQb4fw, unpackQb4w } from "./unpack-panel";

export function gemm_qd8_f32_qb4w_x8c4(
  q: usize,
  scales: usize,
  sums: usize,
  w: usize,
  bias: usize,
  y: usize,
  M: i32,
  N: i32,
  K: i32,
  G: i32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  multiply(q, scales, sums, w, bias, y, M, N, K, G, begin, end, scratch, false);
}

export function gemm_qd8_f32_qb4fw_x8c4(
  q: usize,
  scales: usize,
  sums: usize,
  w: usize,
  bias: usize,
  y: usize,
  M: i32,
  N: i32,
  K: i32,
  G: i32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  multiply(q, scales, sums, w, bias, y, M, N, K, G, begin, end, scratch, true);
}

function multiply(
  q: usize,
  scales: usize,
  sums: usize,
  w: usize,
  bias: usize,
  y: usize,
  M: i32,
  N: i32,
  K: i32,
  G: i32,
  begin: i32,
  end: i32,
  scratch: usize,
  e2m1: bool,
): void {
  const panel = scratch + activationScratchBytes(M, K);
  const tile = panel + panelScratchBytes(K);
  const panelBytes = panelBytesQb4w(K, G);
  const groupBytes = groupBytesQb4w(G);
  const groupPanelBytes = <usize>G * PANEL_BYTES_PER_K;
  const groups = K / G;
  const sumStride = (<usize>groups) << 2;
  const starts = tile + tileScratchBytes();
  const rowBytes = DOT_I16 ? chunkedRowBytes(K, G, e2m1) : (<usize>K * PANEL_BYTES_PER_K) >> 3;
  for (let blockBegin = 0; blockBegin < M; blockBegin += ROW_BLOCK) {
    const blockEnd = min(M, blockBegin + ROW_BLOCK);
    const rows = blockEnd - blockBegin;
    const blockRows = q + <usize>blockBegin * K;
    let blockSums = sums + <usize>blockBegin * sumStride;
    if (DOT_I16) arrangeChunks(blockRows, scratch, rows, K, G, e2m1);
    else arrangeBlock(blockRows, scratch, rows, K, QD8_QB4W);
    if (e2m1 && !DOT_I16) {
      offsetSums(blockSums, starts, rows * groups);
      blockSums = starts;
    }
    const unpacks = !DOT_I16 || rows == 1 || rows > MOST_PACKED_ROWS;
    let packed = w + <usize>begin * panelBytes;
    for (let p = begin; p < end; p++, packed += panelBytes) {
      for (let g: usize = 0; unpacks && g < <usize>groups; g++) {
        const source = packed + g * groupBytes + 32;
        const unpacked = panel + g * groupPanelBytes;
        if (e2m1) unpackQb4fw(source, unpacked, G);
        else unpackQb4w(source, unpacked, G);
      }
      let a = scratch;
      for (let m = blockBegin; m < blockEnd;) {
        const R = tileRows(blockEnd - m);
        const sum = blockSums + <usize>(m - blockBegin) * sumStride;
        if (DOT_I16) {
          if (!unpacks) {
            if (R == 4) multiplyI16(4, true, a, packed, G, groups, packed, tile, e2m1);
            else if (R == 3) multiplyI16(3, true, a, packed, G, groups, packed, tile, e2m1);
            else multiplyI16(2, true, a, packed, G, groups, packed, tile, e2m1);
          } else if (R == 4) multiplyI16(4, false, a, panel, G, groups, packed, tile, e2m1);
          else if (R == 3) multiplyI16(3, false, a, panel, G, groups, packed, tile, e2m1);
          else if (R == 2) multiplyI16(2, false, a, panel, G, groups, packed, tile, e2m1);
          else multiplyI16(1, false, a, panel, G, groups, packed, tile, e2m1);
        } else if (R == 4)
          multiplyGroups(4, FROM_SUM, ADD_SCALED, a, panel, groupPanelBytes, groups, packed, groupBytes, sum, sumStride, tile);
        else if (R == 3)
          multiplyGroups(3, FROM_SUM, ADD_SCALED, a, panel, groupPanelBytes, groups, packed, groupBytes, sum, sumStride, tile);
        else if (R == 2)
          multiplyGroups(2, FROM_SUM, ADD_SCALED, a, panel, groupPanelBytes, groups, packed, groupBytes, sum, sumStride, tile);
        else if (R == 1)
          multiplyGroups(1, FROM_SUM, ADD_SCALED, a, panel, groupPanelBytes, groups, packed, groupBytes, sum, sumStride, tile);
        else if (ASC_FEATURE_RELAXED_SIMD) {
          if (R == 6)
            multiplyGroups(6, FROM_SUM, ADD_SCALED, a, panel, groupPanelBytes, groups, packed, groupBytes, sum, sumStride, tile);
          else
            multiplyGroups(5, FROM_SUM, ADD_SCALED, a, panel, groupPanelBytes, groups, packed, groupBytes, sum, sumStride, tile);
        }
        storeTile(R, tile, scales + ((<usize>m) << 2), bias, y + ((<usize>m * N) << 2), p * NR, N);
        a += <usize>R * rowBytes;
        m += R;
      }
    }
  }
}

/** R rows against a panel: packed (`few` rows), or its operands; its scales stand in the packed one. */
@inline
function multiplyI16(
  R: i32,
  few: bool,
  a: usize,
  panel: usize,
  G: i32,
  groups: i32,
  packed: usize,
  tile: usize,
  e2m1: bool,
): void {
  const source = few ? panel + 32 : panel;
  multiplyChunks(R, few, e2m1, FROM_SUM, ADD_SCALED, a, source, 32, G, groups, packed, groupBytesQb4w(G), 0, 0, tile);
}
