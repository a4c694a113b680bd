/**
 * A panel of 4-bit weights with a scale and a minimum in binary16, as the tile of a GEMM takes it
 * (gemm-tile.ts): the operands of qb4w, and scales and minima as floats, made once for a block of rows.
 *
 *   affine   f32[K/G, 2, NR]: of each group 8 scales, then 8 minima
 */
import { ADD_AFFINE, ADD_AFFINE_HALVES, FROM_ZERO } from "../accumulators";
import { multiplyGroups, PANEL_BYTES_PER_K } from "../gemm-tile";
import { multiplyChunks } from "../gemm-tile-i16";
import { BLOCKS_OFFSET_QB4AW, groupBytesQb4aw, panelBytesQb4aw } from "../../layouts/layout-kept";
import { widenHalves } from "../../math/halves";
import { unpackQb4w } from "../unpack-panel";

/** Bytes of a group in `affine`. */
const AFFINE_BYTES: usize = 64;

/** A packed panel to operands, and to floats at `affine`. */
@inline
export function unpackAffineGroups(packed: usize, panel: usize, affine: usize, K: i32, G: i32): void {
  const groupPanelBytes = <usize>G * PANEL_BYTES_PER_K;
  for (const end = packed + panelBytesQb4aw(K, G); packed < end; packed += groupBytesQb4aw(G)) {
    for (let halves: usize = 0; halves < BLOCKS_OFFSET_QB4AW; halves += 8, affine += 16) {
      v128.store(affine, widenHalves(packed + halves));
    }
    unpackQb4w(packed + BLOCKS_OFFSET_QB4AW, panel, G);
    panel += groupPanelBytes;
  }
}

/**
 * R rows against a panel's operands and floats; `few` rows of relaxed-i16 do without both. `sum`: the first
 * row's sums.
 */
@inline
export function multiplyAffineGroups(
  R: i32,
  few: bool,
  a: usize,
  packed: usize,
  panel: usize,
  affine: usize,
  K: i32,
  G: i32,
  sum: usize,
  sumStride: usize,
  tile: usize,
): void {
  const groupPanelBytes = <usize>G * PANEL_BYTES_PER_K;
  if (DOT_I16) {
    const header = BLOCKS_OFFSET_QB4AW;
    const groups = K / G;
    if (few) {
      const to = ADD_AFFINE_HALVES;
      const stride = groupBytesQb4aw(G);
      multiplyChunks(R, true, false, FROM_ZERO, to, a, packed + header, header, G, groups, packed, stride, sum, sumStride, tile);
    } else {
      const to = ADD_AFFINE;
      const stride = AFFINE_BYTES;
      multiplyChunks(R, false, false, FROM_ZERO, to, a, panel, header, G, groups, affine, stride, sum, sumStride, tile);
    }
    return;
  }
  multiplyGroups(R, FROM_ZERO, ADD_AFFINE, a, panel, groupPanelBytes, K / G, affine, AFFINE_BYTES, sum, sumStride, tile);
}
