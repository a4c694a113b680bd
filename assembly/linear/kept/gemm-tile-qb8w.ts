/**
 * A panel of 8-bit weights with a scale for each group, as the tile of a GEMM takes it (gemm-tile.ts).
 *
 * simd128: groups widened to int16, one after the other. relaxed: the packed groups themselves, signed, twice
 * for each group: products with the signs of the activations, then those with their lower seven bits, which
 * go on from -128 times the former (arrange-activations.ts). So a group needs no offsets.
 */
import { ADD_SCALED, FROM_CHANNELS, FROM_ZERO, KEEP_SIGN_PLANE } from "../accumulators";
import { multiplyGroup, PANEL_BYTES_PER_K } from "../gemm-tile";
import { tileScratchBytes } from "../../layouts/layout";
import { groupBytesQb8w } from "../../layouts/layout-kept";
import { unpackQc8w } from "../unpack-panel";

/** Bytes of a group's scales. */
const SCALES_BYTES: usize = 32;

/** A packed panel to the operands of simd128. */
@inline
export function unpackSignedGroups(packed: usize, panel: usize, K: i32, G: i32): void {
  if (ASC_FEATURE_RELAXED_SIMD) return;
  const groupPanelBytes = <usize>G * PANEL_BYTES_PER_K;
  for (const end = panel + <usize>K * PANEL_BYTES_PER_K; panel < end; panel += groupPanelBytes) {
    unpackQc8w(packed + SCALES_BYTES, panel, G);
    packed += groupBytesQb8w(G);
  }
}

/** R rows against a panel: `packed`, and what became of it at `panel`. */
@inline
export function multiplySignedGroups(R: i32, a: usize, packed: usize, panel: usize, K: i32, G: i32, tile: usize): void {
  memory.fill(tile, 0, (<usize>R) << 5);
  const high = tile + tileScratchBytes();
  const plane = <usize>K * R;
  const groupPanelBytes = <usize>G * PANEL_BYTES_PER_K;
  const groupBytes = groupBytesQb8w(G);
  for (const end = packed + <usize>(K / G) * groupBytes; packed < end; packed += groupBytes) {
    if (ASC_FEATURE_RELAXED_SIMD) {
      const weights = packed + SCALES_BYTES;
      const weightsEnd = packed + groupBytes;
      multiplyGroup(R, FROM_ZERO, KEEP_SIGN_PLANE, true, a, weights, weightsEnd, packed, 0, 0, high);
      multiplyGroup(R, FROM_CHANNELS, ADD_SCALED, true, a + plane, weights, weightsEnd, packed, high, 32, tile);
      a += <usize>G * R;
    } else {
      multiplyGroup(R, FROM_ZERO, ADD_SCALED, true, a, panel, panel + groupPanelBytes, packed, 0, 0, tile);
      panel += groupPanelBytes;
      a += (<usize>G * R) << 1;
    }
  }
}
