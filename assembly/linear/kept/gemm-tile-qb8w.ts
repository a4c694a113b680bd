/**
 * A panel of 8-bit weights with a scale for each group, or (`affine`, a literal) with a scale and a minimum,
 * as the tile of a GEMM takes it (gemm-tile.ts).
 *
 * simd128: groups widened to int16, one after the other. relaxed: the packed groups themselves, signed, twice
 * for each group: products with the signs of the activations, then those with their lower seven bits, which
 * go on from -128 times the former (arrange-activations.ts). So a group needs no offsets.
 */
import { ADD_AFFINE_OFFSET, ADD_SCALED, FROM_CHANNELS, FROM_ZERO, KEEP_SIGN_PLANE } from "../accumulators";
import { multiplyGroup, PANEL_BYTES_PER_K } from "../gemm-tile";
import { NR, tileScratchBytes } from "../../layouts/layout";
import { groupBytesQb8aw, groupBytesQb8w } from "../../layouts/layout-kept";
import { unpackQc8w } from "../unpack-panel";

/** Bytes of a packed group of qb8aw (`affine`) or qb8w; the weights come last. */
@inline
export function signedGroupBytes(affine: bool, G: i32): usize {
  return affine ? groupBytesQb8aw(G) : groupBytesQb8w(G);
}

/** A packed panel to the operands of simd128. */
@inline
export function unpackSignedGroups(affine: bool, packed: usize, panel: usize, K: i32, G: i32): void {
  if (ASC_FEATURE_RELAXED_SIMD) return;
  const groupPanelBytes = <usize>G * PANEL_BYTES_PER_K;
  const groupBytes = signedGroupBytes(affine, G);
  for (const end = panel + <usize>K * PANEL_BYTES_PER_K; panel < end; panel += groupPanelBytes) {
    packed += groupBytes;
    unpackQc8w(packed - <usize>G * NR, panel, G);
  }
}

/** R rows against a panel: `packed`, and what became of it at `panel`. `sum`: affine, the first row's sum. */
@inline
export function multiplySignedGroups(
  R: i32,
  affine: bool,
  a: usize,
  packed: usize,
  panel: usize,
  K: i32,
  G: i32,
  sum: usize,
  sumStride: usize,
  tile: usize,
): void {
  memory.fill(tile, 0, (<usize>R) << 5);
  const to = affine ? ADD_AFFINE_OFFSET : ADD_SCALED;
  const high = tile + tileScratchBytes();
  const plane = <usize>K * R;
  const groupPanelBytes = <usize>G * PANEL_BYTES_PER_K;
  const groupBytes = signedGroupBytes(affine, G);
  for (const end = packed + <usize>(K / G) * groupBytes; packed < end; packed += groupBytes, sum += 4) {
    if (ASC_FEATURE_RELAXED_SIMD) {
      const weightsEnd = packed + groupBytes;
      const weights = weightsEnd - <usize>G * NR;
      multiplyGroup(R, FROM_ZERO, KEEP_SIGN_PLANE, true, a, weights, weightsEnd, packed, 0, 0, 0, 0, high);
      multiplyGroup(R, FROM_CHANNELS, to, true, a + plane, weights, weightsEnd, packed, high, 32, sum, sumStride, tile);
      a += <usize>G * R;
    } else {
      multiplyGroup(R, FROM_ZERO, to, true, a, panel, panel + groupPanelBytes, packed, 0, 0, sum, sumStride, tile);
      panel += groupPanelBytes;
      a += (<usize>G * R) << 1;
    }
  }
}
