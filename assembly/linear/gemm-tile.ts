/**
 * Tile MR x 8 c4 of a GEMM over integer activations: MR rows of arranged activations times one panel.
 *
 *   y[m, n] = (..((0 + dot[m, n, 0] * s[n, 0]) + dot[m, n, 1] * s[n, 1]) + ..) * scales[m] + bias[n]
 *
 *   a        R rows of a block          arrange-activations.ts
 *   panel    eight channels
 *            unpack-panel.ts; for qc8w in the relaxed build the packed panel itself
 *   tile     f32[R, 8] in scratch: sums over groups, or over blocks of k of 8-bit weights
 *
 * One step is the same in both builds: two vectors of weights, R operands of activations, 2 R products onto 2
 * R accumulators. A product takes two k of each channel in the simd128 build (i32x4.dot_i16x8_s and an
 * addition), four in the relaxed one (one instruction).
 *
 * Why one step is no longer: V8 schedules the loads of a block of code before its arithmetic, and has 15
 * vector registers on x64. A longer step spills, for a fifth of the speed (docs/kernels.md). V8 unrolls the
 * loop by itself. Why MR = 4, simd128: eight accumulators, two weights, four activations, one product: 15.
 * Every 32 bytes of weights take 8 products and 8 additions, which three vector ports finish in 5.3 cycles,
 * and 6 loads, which take two or three: the ports are the limit. Why MR = 6, relaxed: twelve accumulators,
 * two weights, one activation (a product waits for no other result of its step). 12 products take two ports 6
 * cycles, 8 loads three or four. The f32 sums stay in memory, since they are touched once for each group.
 *
 * R and the modes are literals at each call: what they exclude leaves no code behind.
 */
import {
  ADD_SCALED,
  finish,
  FROM_CHANNELS,
  FROM_ZERO,
  KEEP_HIGH_PLANE,
  loadMinimumHigh,
  loadMinimumLow,
  loadNegated,
  loadScaleHigh,
  loadScaleLow,
  startHigh,
  startLow,
} from "./accumulators";
import { CHANNEL_BLOCK, NR, tileScratchBytes } from "../layouts/layout";
import { storeChannels } from "./store-channels";

/** Bytes of an unpacked panel for one k. */
export const PANEL_BYTES_PER_K: usize = ASC_FEATURE_RELAXED_SIMD ? 8 : 16;

/** acc + the products of one vector of weights and one operand of activations. */
@inline
export function multiplyAdd(acc: v128, weights: v128, activations: v128, signedWeights: bool): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) {
    // The second operand is in 0..127: only then do all engines agree.
    if (signedWeights) return i32x4.relaxed_dot_i8x16_i7x16_add_s(weights, activations, acc);
    return i32x4.relaxed_dot_i8x16_i7x16_add_s(activations, weights, acc);
  }
  return i32x4.add(acc, i32x4.dot_i16x8_s(weights, activations));
}

/**
 * One group's dot products of R rows with a panel.
 *
 * @param panelEnd  where the group ends in the panel
 * @param sum       where row 0's accumulator starts (quantize-activations.ts); row r is `sumStride` bytes on
 * @param scale     8 f32 scales of the group; ADD_INTEGERS: 8 bytes; FROM_ZERO_POINTS: 8 zero points are
 *   ZEROS_OFFSET bytes on; ADD_AFFINE: 8 f32 minima follow
 * @param rowSum    affine modes: row 0's -8 * sum(a) of the group; row r is `rowSumStride` bytes on
 * @param tile      where the results go
 */
@inline
export function multiplyGroup(
  R: i32,
  from: i32,
  to: i32,
  signedWeights: bool,
  a: usize,
  panel: usize,
  panelEnd: usize,
  scale: usize,
  sum: usize,
  sumStride: usize,
  rowSum: usize,
  rowSumStride: usize,
  tile: usize,
): void {
  const zero = i32x4.splat(0);
  let low0 = startLow(from, sum, scale);
  let low1 = R > 1 ? startLow(from, sum + sumStride, scale) : zero;
  let low2 = R > 2 ? startLow(from, sum + sumStride * 2, scale) : zero;
  let low3 = R > 3 ? startLow(from, sum + sumStride * 3, scale) : zero;
  let low4 = R > 4 ? startLow(from, sum + sumStride * 4, scale) : zero;
  let low5 = R > 5 ? startLow(from, sum + sumStride * 5, scale) : zero;
  let high0 = startHigh(from, sum, scale, low0);
  let high1 = R > 1 ? startHigh(from, sum + sumStride, scale, low1) : zero;
  let high2 = R > 2 ? startHigh(from, sum + sumStride * 2, scale, low2) : zero;
  let high3 = R > 3 ? startHigh(from, sum + sumStride * 3, scale, low3) : zero;
  let high4 = R > 4 ? startHigh(from, sum + sumStride * 4, scale, low4) : zero;
  let high5 = R > 5 ? startHigh(from, sum + sumStride * 5, scale, low5) : zero;
  for (; panel < panelEnd; panel += 32, a += (<usize>R) << 2) {
    const low = v128.load(panel);
    const high = v128.load(panel, 16);
    let operand = v128.load32_splat(a);
    low0 = multiplyAdd(low0, low, operand, signedWeights);
    high0 = multiplyAdd(high0, high, operand, signedWeights);
    if (R > 1) {
      operand = v128.load32_splat(a, 4);
      low1 = multiplyAdd(low1, low, operand, signedWeights);
      high1 = multiplyAdd(high1, high, operand, signedWeights);
    }
    if (R > 2) {
      operand = v128.load32_splat(a, 8);
      low2 = multiplyAdd(low2, low, operand, signedWeights);
      high2 = multiplyAdd(high2, high, operand, signedWeights);
    }
    if (R > 3) {
      operand = v128.load32_splat(a, 12);
      low3 = multiplyAdd(low3, low, operand, signedWeights);
      high3 = multiplyAdd(high3, high, operand, signedWeights);
    }
    if (R > 4) {
      operand = v128.load32_splat(a, 16);
      low4 = multiplyAdd(low4, low, operand, signedWeights);
      high4 = multiplyAdd(high4, high, operand, signedWeights);
    }
    if (R > 5) {
      operand = v128.load32_splat(a, 20);
      low5 = multiplyAdd(low5, low, operand, signedWeights);
      high5 = multiplyAdd(high5, high, operand, signedWeights);
    }
  }
  const scaleLow = loadScaleLow(to, scale);
  const scaleHigh = loadScaleHigh(to, scale);
  const minimumLow = loadMinimumLow(to, scale);
  const minimumHigh = loadMinimumHigh(to, scale);
  let negated = loadNegated(to, rowSum);
  finish(to, tile, low0, scaleLow, minimumLow, negated);
  finish(to, tile + 16, high0, scaleHigh, minimumHigh, negated);
  if (R > 1) {
    negated = loadNegated(to, rowSum + rowSumStride);
    finish(to, tile + 32, low1, scaleLow, minimumLow, negated);
    finish(to, tile + 48, high1, scaleHigh, minimumHigh, negated);
  }
  if (R > 2) {
    negated = loadNegated(to, rowSum + rowSumStride * 2);
    finish(to, tile + 64, low2, scaleLow, minimumLow, negated);
    finish(to, tile + 80, high2, scaleHigh, minimumHigh, negated);
  }
  if (R > 3) {
    negated = loadNegated(to, rowSum + rowSumStride * 3);
    finish(to, tile + 96, low3, scaleLow, minimumLow, negated);
    finish(to, tile + 112, high3, scaleHigh, minimumHigh, negated);
  }
  if (R > 4) {
    negated = loadNegated(to, rowSum + rowSumStride * 4);
    finish(to, tile + 128, low4, scaleLow, minimumLow, negated);
    finish(to, tile + 144, high4, scaleHigh, minimumHigh, negated);
  }
  if (R > 5) {
    negated = loadNegated(to, rowSum + rowSumStride * 5);
    finish(to, tile + 160, low5, scaleLow, minimumLow, negated);
    finish(to, tile + 176, high5, scaleHigh, minimumHigh, negated);
  }
}

/**
 * R rows against a panel of 4-bit weights: `groups` groups of `groupPanelBytes`. Scales of the next group are
 * `scaleStride` bytes on.
 */
@inline
export function multiplyGroups(
  R: i32,
  from: i32,
  to: i32,
  a: usize,
  panel: usize,
  groupPanelBytes: usize,
  groups: i32,
  scale: usize,
  scaleStride: usize,
  sum: usize,
  sumStride: usize,
  tile: usize,
): void {
  memory.fill(tile, 0, (<usize>R) << 5);
  const groupBytes = ((groupPanelBytes >> 5) * R) << 2;
  for (const sumEnd = sum + ((<usize>groups) << 2); sum < sumEnd; sum += 4, scale += scaleStride) {
    const panelEnd = panel + groupPanelBytes;
    multiplyGroup(R, from, to, false, a, panel, panelEnd, scale, sum, sumStride, sum, sumStride, tile);
    panel = panelEnd;
    a += groupBytes;
  }
}

/**
 * R rows against a panel of 8-bit weights, by blocks of CHANNEL_BLOCK k.
 *
 * relaxed: first the high plane of the activations, from the panel's offsets; its sums times 128, which may
 * wrap, are where the products of the low plane go on, and what all add up to is in i32 again.
 */
@inline
export function multiplyChannels(R: i32, a: usize, K: i32, panel: usize, scale: usize, offsets: usize, tile: usize): void {
  memory.fill(tile, 0, (<usize>R) << 5);
  const high = tile + tileScratchBytes();
  for (let k = 0; k < K; k += CHANNEL_BLOCK, offsets += NR << 2) {
    const count = <usize>min(CHANNEL_BLOCK, K - k);
    const panelEnd = panel + count * PANEL_BYTES_PER_K;
    if (ASC_FEATURE_RELAXED_SIMD) {
      multiplyGroup(R, FROM_CHANNELS, KEEP_HIGH_PLANE, true, a, panel, panelEnd, scale, offsets, 0, 0, 0, high);
      multiplyGroup(R, FROM_CHANNELS, ADD_SCALED, true, a + <usize>K * R, panel, panelEnd, scale, high, 32, 0, 0, tile);
      a += count * R;
    } else {
      multiplyGroup(R, FROM_ZERO, ADD_SCALED, true, a, panel, panelEnd, scale, 0, 0, 0, 0, tile);
      a += (count * R) << 1;
    }
    panel = panelEnd;
  }
}

/** The tile's R rows, times their activation scales, plus bias, to channels n .. n + 7 of y[.., N]. */
@inline
export function storeTile(R: i32, tile: usize, scales: usize, bias: usize, y: usize, n: i32, N: i32): void {
  for (let r: usize = 0; r < <usize>R; r++, tile += 32, y += (<usize>N) << 2) {
    const rowScale = v128.load32_splat(scales + (r << 2));
    storeChannels(f32x4.mul(v128.load(tile), rowScale), f32x4.mul(v128.load(tile, 16), rowScale), bias, y, n, N);
  }
}
