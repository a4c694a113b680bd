/**
 * Tile 4 x 8 c4 of a GEMM over 4-bit weights whose products are summed in 16 bits, in the place of the tile
 * of gemm-tile.ts: up to four rows of arranged activations times one panel, of any kind of such weights.
 *
 *   y[m, n] = (..((0 + dot[m, n, 0] * s[n, 0]) + dot[m, n, 1] * s[n, 1]) + ..) * scales[m] + bias[n]
 *
 *   a        R rows of a block. FROM_SUM, FROM_ZERO_POINTS: in chunks of k, before each what its sums start
 *            from (arrange-chunks.ts, which says why no sum leaves 16 bits). FROM_ZERO: as for the relaxed
 *            build, in chunks of 32, which are at most 8 * 2 * 15 * 128 = 30720
 *   panel    eight channels, u in 0..15 or 0..24     unpack-panel.ts, as for the relaxed build; or, of few
 *            rows, the packed groups themselves
 *   tile     f32[R, 8] in scratch: sums over groups, i32 for ADD_INTEGERS; then i32[R, 8]: what a group's
 *            chunks so far add up to
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
 * Why few rows read packed groups: two masks and a shift in each step cost no product, and where products are
 * what a core has least of, nothing at all; a panel that is unpacked first has to serve many rows (measured:
 * docs/measurements/2026-11-30-epyc-avx2-few-rows.md).
 *
 * R and the modes are literals at each call: what they exclude leaves no code behind.
 */
import { chunkOf, chunksOf } from "./arrange-chunks";
import {
  ADD_INTEGERS,
  finish,
  FROM_ZERO,
  FROM_ZERO_POINTS,
  loadMinimumHigh,
  loadMinimumLow,
  loadNegated,
  loadScaleHigh,
  loadScaleLow,
  zeroStart,
} from "./accumulators";
import { operands, operandTable } from "./e2m1";
import { PANEL_BYTES_PER_K } from "./gemm-tile";
import { tileScratchBytes } from "../layouts/layout";
import { ZEROS_OFFSET } from "../layouts/layout-kept";
import { nibbleMask } from "../math/simd";

/** Rows of a block, at most, whose tiles read packed groups; one row alone does not. */
export const MOST_PACKED_ROWS: i32 = 8;

/** acc + the products of one vector of weights and one operand of activations, two k to a lane. */
@inline
function multiplyAdd(acc: v128, weights: v128, activations: v128): v128 {
  return i16x8.add(acc, i16x8.relaxed_dot_i8x16_i7x16_s(activations, weights));
}

/** Four channels' sums of a chunk, on those before. */
@inline
function widened(wide: usize, acc: v128): v128 {
  return i32x4.add(v128.load(wide), i32x4.extadd_pairwise_i16x8_s(acc));
}

/** ADD_INTEGERS: four channels' scales, u8, each in both 16-bit lanes of its channel. */
@inline
function scaleLanes(scale: usize, high: bool): v128 {
  const s = v128.load8x8_u(scale);
  return high ? i16x8.shuffle(s, s, 4, 4, 5, 5, 6, 6, 7, 7) : i16x8.shuffle(s, s, 0, 0, 1, 1, 2, 2, 3, 3);
}

/** A chunk is a group, which ends in one product that widens, joins and scales. */
@inline
function addLanes(integers: usize, dot: v128, scales: v128): void {
  v128.store(integers, i32x4.add(v128.load(integers), i32x4.dot_i16x8_s(dot, scales)));
}

/** From sums over u - 8, which started at -8 * sum(a) at `sum`, those over u - z of four channels. */
@inline
function fromZeroPoints(dot: v128, sum: usize, zeros: usize): v128 {
  return i32x4.add(i32x4.sub(dot, v128.load32_splat(sum)), zeroStart(sum, zeros));
}

/** What becomes of a row's group. */
@inline
function finishRow(
  from: i32,
  to: i32,
  tile: usize,
  low: v128,
  high: v128,
  scale: usize,
  scaleLow: v128,
  scaleHigh: v128,
  minimumLow: v128,
  minimumHigh: v128,
  sum: usize,
): void {
  if (from == FROM_ZERO_POINTS) {
    low = fromZeroPoints(low, sum, scale + ZEROS_OFFSET);
    high = fromZeroPoints(high, sum, scale + ZEROS_OFFSET + 8);
  }
  const negated = loadNegated(to, sum);
  finish(to, tile, low, scaleLow, minimumLow, negated);
  finish(to, tile + 16, high, scaleHigh, minimumHigh, negated);
}


@inline
function fill(p: usize, bytes: usize, v: v128): void {
  for (const end = p + bytes; p < end; p += 16) v128.store(p, v);
}

/**
 * R rows against `groups` groups of G k of a panel.
 *
 * @param packed    whether `panel` is packed groups, `header` bytes between one and the next, or operands
 * @param from, to  accumulators.ts. ADD_INTEGERS: G is 32, scales are u8[8]
 * @param scale     those of the first group; those of the next are `scaleStride` bytes on
 * @param sum       FROM_ZERO_POINTS and affine modes: row 0's -8 * sum(a) of the first group; row r's are
 *   r * `sumStride` bytes on
 */
@inline
export function multiplyChunks(
  R: i32,
  packed: bool,
  e2m1: bool,
  from: i32,
  to: i32,
  a: usize,
  panel: usize,
  header: usize,
  G: i32,
  groups: i32,
  scale: usize,
  scaleStride: usize,
  sum: usize,
  sumStride: usize,
  tile: usize,
): void {
  const zero = i16x8.splat(0);
  const nibble = nibbleMask(G);
  const table = operandTable(G);
  const bytesPerK: usize = packed ? 4 : PANEL_BYTES_PER_K;
  const groupBytes = <usize>G * bytesPerK;
  const chunkBytes = <usize>(from == FROM_ZERO ? 32 : chunkOf(e2m1)) * bytesPerK;
  const start = from == FROM_ZERO ? zero : i32x4.splat(chunksOf(G, e2m1) << 1);
  const wide = tile + tileScratchBytes();
  fill(tile, (<usize>R) << 5, zero);
  if (to != ADD_INTEGERS) fill(wide, (<usize>R) << 5, start);
  for (const scaleEnd = scale + <usize>groups * scaleStride; scale < scaleEnd; scale += scaleStride, sum += 4) {
    const panelEnd = panel + groupBytes;
    do {
      const chunkEnd = to == ADD_INTEGERS ? panelEnd : min(panel + chunkBytes, panelEnd);
      let low0 = from == FROM_ZERO ? zero : v128.load32_splat(a);
      let low1 = R > 1 && from != FROM_ZERO ? v128.load32_splat(a, 4) : zero;
      let low2 = R > 2 && from != FROM_ZERO ? v128.load32_splat(a, 8) : zero;
      let low3 = R > 3 && from != FROM_ZERO ? v128.load32_splat(a, 12) : zero;
      let high0 = low0;
      let high1 = low1;
      let high2 = low2;
      let high3 = low3;
      if (from != FROM_ZERO) a += (<usize>R) << 2;
      for (; panel < chunkEnd; panel += bytesPerK << 2, a += (<usize>R) << 2) {
        let low = v128.load(panel);
        let high = packed ? v128.and(i16x8.shr_u(low, 4), nibble) : v128.load(panel, 16);
        if (packed) low = v128.and(low, nibble);
        if (packed && e2m1) {
          low = operands(table, low);
          high = operands(table, high);
        }
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
      if (to == ADD_INTEGERS) {
        const lanesLow = scaleLanes(scale, false);
        const lanesHigh = scaleLanes(scale, true);
        addLanes(tile, low0, lanesLow);
        addLanes(tile + 16, high0, lanesHigh);
        if (R > 1) addLanes(tile + 32, low1, lanesLow);
        if (R > 1) addLanes(tile + 48, high1, lanesHigh);
        if (R > 2) addLanes(tile + 64, low2, lanesLow);
        if (R > 2) addLanes(tile + 80, high2, lanesHigh);
        if (R > 3) addLanes(tile + 96, low3, lanesLow);
        if (R > 3) addLanes(tile + 112, high3, lanesHigh);
        break;
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
        const sl = loadScaleLow(to, scale);
        const sh = loadScaleHigh(to, scale);
        const ml = loadMinimumLow(to, scale);
        const mh = loadMinimumHigh(to, scale);
        finishRow(from, to, tile, low0, high0, scale, sl, sh, ml, mh, sum);
        if (R > 1) finishRow(from, to, tile + 32, low1, high1, scale, sl, sh, ml, mh, sum + sumStride);
        if (R > 2) finishRow(from, to, tile + 64, low2, high2, scale, sl, sh, ml, mh, sum + sumStride * 2);
        if (R > 3) finishRow(from, to, tile + 96, low3, high3, scale, sl, sh, ml, mh, sum + sumStride * 3);
        if (groupBytes > chunkBytes) fill(wide, (<usize>R) << 5, start);
      }
    } while (panel < panelEnd);
    if (packed) panel += header;
  }
}
