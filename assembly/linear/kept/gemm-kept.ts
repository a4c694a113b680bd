/**
 * What the GEMMs over weights that are kept as a file has them share: the loops over blocks of rows, panels
 * and tiles of gemm_qd8_f32_qb4w_x8c4, each kind of weights with its own unpacking and its own tile.
 *
 *   scratch  linear_scratch_bytes(M, K): activations of a block of rows, an unpacked panel, two tiles, and
 *            `rest`: qb4mw, sums of a block of rows; qb4aw, a panel's scales and minima as floats
 *
 * The kind is a literal at each call, so a kernel holds nothing of the others.
 */
import { arrangeBlock, QD8_QB4W, QD8_QB8W } from "../arrange-activations";
import { arrangeChunks, chunkedRowBytes } from "../arrange-chunks";
import { ADD_SCALED, FROM_ZERO_POINTS } from "../accumulators";
import { multiplyGroups, PANEL_BYTES_PER_K, storeTile } from "../gemm-tile";
import { MOST_PACKED_ROWS, multiplyChunks } from "../gemm-tile-i16";
import { multiplyAffineGroups, unpackAffineGroups } from "./gemm-tile-qb4aw";
import { multiplyBlocks, unpackBlocks } from "./gemm-tile-qb4mw";
import { multiplySignedGroups, signedGroupBytes, unpackSignedGroups } from "./gemm-tile-qb8w";
import { activationScratchBytes, MR, NR, panelScratchBytes, ROW_BLOCK, tileRows, tileScratchBytes } from "../../layouts/layout";
import { groupBytesQb4zw, panelBytesQb4aw, panelBytesQb4mw, panelBytesQb4zw } from "../../layouts/layout-kept";
import { narrowSums, narrowSumsBytes } from "./superblock";
import { unpackQb4w } from "../unpack-panel";

/** Kinds of weights. */
export const QB8W: i32 = 0;
export const QB4ZW: i32 = 1;
export const QB4MW: i32 = 2;
export const QB4AW: i32 = 3;
export const QB8AW: i32 = 4;

/** Weights of 8 bits. */
@inline
function isSigned(kind: i32): bool {
  return kind == QB8W || kind == QB8AW;
}


@inline
function panelBytes(kind: i32, K: i32, G: i32): usize {
  if (kind == QB4ZW) return panelBytesQb4zw(K, G);
  if (kind == QB4AW) return panelBytesQb4aw(K, G);
  if (kind == QB4MW) return panelBytesQb4mw(K, G);
  return <usize>(K / G) * signedGroupBytes(kind == QB8AW, G);
}

/** What a tile reads in place of the packed panel, where that is not what its products take. */
@inline
function unpack(kind: i32, packed: usize, panel: usize, rest: usize, K: i32, G: i32): void {
  if (isSigned(kind)) unpackSignedGroups(kind == QB8AW, packed, panel, K, G);
  else if (kind == QB4AW) unpackAffineGroups(packed, panel, rest, K, G);
  else if (kind == QB4MW) unpackBlocks(packed, panel, K, G);
  else {
    for (const end = packed + panelBytesQb4zw(K, G); packed < end; packed += groupBytesQb4zw(G)) {
      unpackQb4w(packed + 48, panel, G);
      panel += <usize>G * PANEL_BYTES_PER_K;
    }
  }
}

/**
 * R rows, arranged at `a`, against a panel; `few`: which is not unpacked (gemm-tile-i16.ts). `sum`: the first
 * row's sums, `sumStride` bytes each.
 */
@inline
function multiplyTile(
  kind: i32,
  R: i32,
  few: bool,
  a: usize,
  packed: usize,
  panel: usize,
  rest: usize,
  K: i32,
  G: i32,
  sum: usize,
  sumStride: usize,
  tile: usize,
): void {
  if (isSigned(kind)) multiplySignedGroups(R, kind == QB8AW, a, packed, panel, K, G, sum, sumStride, tile);
  else if (kind == QB4AW) multiplyAffineGroups(R, few, a, packed, panel, rest, K, G, sum, sumStride, tile);
  else if (kind == QB4MW) multiplyBlocks(R, few, a, packed, panel, K, G, sum, sumStride, tile);
  else {
    const groupPanelBytes = <usize>G * PANEL_BYTES_PER_K;
    const groupBytes = groupBytesQb4zw(G);
    if (DOT_I16) {
      const from = FROM_ZERO_POINTS;
      const header: usize = 48;
      const source = few ? packed + header : panel;
      multiplyChunks(R, few, false, from, ADD_SCALED, a, source, header, G, K / G, packed, groupBytes, sum, sumStride, tile);
      return;
    }
    multiplyGroups(R, FROM_ZERO_POINTS, ADD_SCALED, a, panel, groupPanelBytes, K / G, packed, groupBytes, sum, sumStride, tile);
  }
}

/** y of panels begin..end. G: k of a group, or of a superblock. */
@inline
export function multiplyRows(
  kind: i32,
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
  const panel = scratch + activationScratchBytes(M, K);
  const tile = panel + panelScratchBytes(K);
  const stride = panelBytes(kind, K, G);
  const sumStride = kind == QB4MW ? narrowSumsBytes(K, G) : (<usize>(K / G)) << 2;
  const rest = tile + 2 * tileScratchBytes();
  const operands = isSigned(kind) ? QD8_QB8W : QD8_QB4W;
  const chunked = DOT_I16 && kind == QB4ZW;
  const rowBytes = chunked
    ? chunkedRowBytes(K, G, false)
    : ((<usize>K * PANEL_BYTES_PER_K) >> 3) << usize(ASC_FEATURE_RELAXED_SIMD && isSigned(kind));
  for (let blockBegin = 0; blockBegin < M; blockBegin += ROW_BLOCK) {
    const blockEnd = min(M, blockBegin + ROW_BLOCK);
    const rows = blockEnd - blockBegin;
    if (chunked) arrangeChunks(q + <usize>blockBegin * K, scratch, rows, K, G, false);
    else arrangeBlock(q + <usize>blockBegin * K, scratch, rows, K, operands);
    let blockSums = sums + <usize>blockBegin * sumStride;
    if (kind == QB4MW) {
      narrowSums(sums, rest, blockBegin, blockEnd, K, G);
      blockSums = rest;
    }
    const unpacks = !DOT_I16 || rows == 1 || rows > MOST_PACKED_ROWS;
    let packed = w + <usize>begin * stride;
    for (let p = begin; p < end; p++, packed += stride) {
      if (unpacks) unpack(kind, packed, panel, rest, K, G);
      let a = scratch;
      for (let m = blockBegin; m < blockEnd;) {
        const R = tileRows(blockEnd - m);
        const sum = blockSums + <usize>(m - blockBegin) * sumStride;
        if (DOT_I16 && !unpacks) {
          if (R == 4) multiplyTile(kind, 4, true, a, packed, panel, rest, K, G, sum, sumStride, tile);
          else if (R == 3) multiplyTile(kind, 3, true, a, packed, panel, rest, K, G, sum, sumStride, tile);
          else multiplyTile(kind, 2, true, a, packed, panel, rest, K, G, sum, sumStride, tile);
        } else if (R == 4) multiplyTile(kind, 4, false, a, packed, panel, rest, K, G, sum, sumStride, tile);
        else if (R == 3) multiplyTile(kind, 3, false, a, packed, panel, rest, K, G, sum, sumStride, tile);
        else if (R == 2) multiplyTile(kind, 2, false, a, packed, panel, rest, K, G, sum, sumStride, tile);
        else if (R == 1) multiplyTile(kind, 1, false, a, packed, panel, rest, K, G, sum, sumStride, tile);
        else if (MR > 4) {
          if (R == 6) multiplyTile(kind, 6, false, a, packed, panel, rest, K, G, sum, sumStride, tile);
          else multiplyTile(kind, 5, false, a, packed, panel, rest, K, G, sum, sumStride, tile);
        }
        storeTile(R, tile, scales + ((<usize>m) << 2), bias, y + ((<usize>m * N) << 2), p * NR, N);
        a += <usize>R * rowBytes;
        m += R;
      }
    }
  }
}
