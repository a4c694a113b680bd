/**
 * Tile 4 x 8 c4 of a GEMM over 4-bit weights whose products are summed in 16 bits, in the place of the tile
 * of gemm-tile.ts: up to four rows of arranged activations times one panel.
 *
 *   y[m, n] = (..((0 + dot[m, n, 0] * s[n, 0]) + dot[m, n, 1] * s[n, 1]) + ..) * scales[m] + bias[n]
 *
 *   a        R rows of a block, in chunks of k       arrange-chunks.ts, which says why no sum leaves 16 bits
 *   panel    eight channels, u in 0..15 or 0..24     unpack-panel.ts, as for the relaxed build
 *   tile     f32[R, 8] in scratch: sums over groups; then i32[R, 8]: what a group's chunks so far add up to
 *
 * For engines that make five instructions of the relaxed 32-bit dot, as V8 does on x64 without AVX-VNNI:
 * there i16x8.relaxed_dot_i8x16_i7x16_s is one, and its addition another, for 16 multiply-accumulates. All is
 * exact in integers, so the bits are those of the other builds.
 *
 * A step is two vectors of weights, R operands of activations, 2 R products and additions. Only the addition
 * waits for the step before, one cycle, so few accumulators do. Why MR = 4: five rows, 14 registers of V8's
 * 15 on x64, were no faster, six spill. Two steps at once were no faster either, four spill. At a chunk's
 * end, a widening and an addition for each accumulator, half as often as if sums began at zero, which was 10
 * % slower.
 *
 * R is a literal at each call: what it excludes leaves no code behind.
 */
import { chunkOf, chunksOf } from "./arrange-chunks";
import { PANEL_BYTES_PER_K } from "./gemm-tile";
import { tileScratchBytes } from "../layouts/layout";

/** acc + the products of one vector of weights and one operand of activations, two k to a lane. */
@inline
export function multiplyAdd(acc: v128, weights: v128, activations: v128): v128 {
  return i16x8.add(acc, i16x8.relaxed_dot_i8x16_i7x16_s(activations, weights));
}

/** The sums of four channels, on the chunks before. */
@inline
function widened(wide: usize, acc: v128): v128 {
  return i32x4.add(v128.load(wide), i32x4.extadd_pairwise_i16x8_s(acc));
}

/** f32(dot) * scale onto the tile's sum, both rounded. */
@inline
function addScaled(tile: usize, dot: v128, scale: v128): void {
  v128.store(tile, f32x4.add(v128.load(tile), f32x4.mul(f32x4.convert_i32x4_s(dot), scale)));
}


@inline
function fill(p: usize, bytes: usize, v: v128): void {
  for (const end = p + bytes; p < end; p += 16) v128.store(p, v);
}

/**
 * R rows against a panel of `groups` groups of G k. Scales of the next group are `scaleStride` bytes on.
 */
@inline
export function multiplyChunks(
  R: i32,
  a: usize,
  panel: usize,
  G: i32,
  groups: i32,
  scale: usize,
  scaleStride: usize,
  tile: usize,
  e2m1: bool,
): void {
  const zero = i16x8.splat(0);
  const groupBytes = <usize>G * PANEL_BYTES_PER_K;
  const chunkBytes = <usize>chunkOf(e2m1) * PANEL_BYTES_PER_K;
  const start = i32x4.splat(chunksOf(G, e2m1) << 1);
  const wide = tile + tileScratchBytes();
  fill(tile, (<usize>R) << 5, zero);
  fill(wide, (<usize>R) << 5, start);
  for (const scaleEnd = scale + <usize>groups * scaleStride; scale < scaleEnd; scale += scaleStride) {
    const panelEnd = panel + groupBytes;
    do {
      const chunkEnd = min(panel + chunkBytes, panelEnd);
      let low0 = v128.load32_splat(a);
      let low1 = R > 1 ? v128.load32_splat(a, 4) : zero;
      let low2 = R > 2 ? v128.load32_splat(a, 8) : zero;
      let low3 = R > 3 ? v128.load32_splat(a, 12) : zero;
      let high0 = low0;
      let high1 = low1;
      let high2 = low2;
      let high3 = low3;
      for (a += (<usize>R) << 2; panel < chunkEnd; panel += 32, a += (<usize>R) << 2) {
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
      low0 = widened(wide, low0);
      high0 = widened(wide + 16, high0);
      if (R > 1) low1 = widened(wide + 32, low1);
      if (R > 1) high1 = widened(wide + 48, high1);
      if (R > 2) low2 = widened(wide + 64, low2);
      if (R > 2) high2 = widened(wide + 80, high2);
      if (R > 3) low3 = widened(wide + 96, low3);
      if (R > 3) high3 = widened(wide + 112, high3);
      if (panel < panelEnd) {
        v128.store(wide, low0);
        v128.store(wide, high0, 16);
        if (R > 1) v128.store(wide, low1, 32);
        if (R > 1) v128.store(wide, high1, 48);
        if (R > 2) v128.store(wide, low2, 64);
        if (R > 2) v128.store(wide, high2, 80);
        if (R > 3) v128.store(wide, low3, 96);
        if (R > 3) v128.store(wide, high3, 112);
      } else {
        const scaleLow = v128.load(scale);
        const scaleHigh = v128.load(scale, 16);
        addScaled(tile, low0, scaleLow);
        addScaled(tile + 16, high0, scaleHigh);
        if (R > 1) addScaled(tile + 32, low1, scaleLow);
        if (R > 1) addScaled(tile + 48, high1, scaleHigh);
        if (R > 2) addScaled(tile + 64, low2, scaleLow);
        if (R > 2) addScaled(tile + 80, high2, scaleHigh);
        if (R > 3) addScaled(tile + 96, low3, scaleLow);
        if (R > 3) addScaled(tile + 112, high3, scaleHigh);
        if (groupBytes > chunkBytes) fill(wide, (<usize>R) << 5, start);
      }
    } while (panel < panelEnd);
  }
}
