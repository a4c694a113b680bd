/**
 * What the GEMVs over 8-bit weights share, whatever their activations were before they were arranged:
 *
 *   dot[n, b] = sum over k of block b of a[k] * q[n, k]
 *               exact, i32; blocks of CHANNEL_BLOCK = 2048 k
 *   y[n]      = (..((0 + dot[n, 0] * s[n]) + dot[n, 1] * s[n]) + ..) * scales[0] + bias[n]
 *             f32, each step rounded
 *
 *   a        one row, arranged (arrange-activations.ts): i16[K] or two planes of i8[K], then f32[PANELS, 8]
 *            for the sums of blocks
 *   w        qc8w panels    layout.ts
 *
 * Tile 1x8c4, PANELS panels at once, each from a stream of its own (gemv-qd8-f32-qb4w.ts says why).
 *
 * relaxed: weights are the signed operand as they lie; the activations are two planes in 0..127, each with
 * accumulators of its own, and dot = low + 128 * (high + offset): the product may wrap, the sum does not.
 * simd128: three shifts and four 16-bit dot products for each 32 bytes, less than the memory takes to bring
 * them.
 *
 * Why PANELS = 3, relaxed: twelve accumulators, two operands of activations and a vector of weights are the
 * 15 registers V8 has on x64. Why 2, simd128: eight accumulators, two operands of activations, a vector of
 * weights and what is shifted out of it.
 */
import { ADD_SCALED, addToTotal } from "./accumulators";
import { multiplyAdd } from "./gemm-tile";
import { CHANNEL_BLOCK, NR, panelBytesQc8w, weightsOffsetQc8w } from "../layouts/layout";
import { storeChannels } from "./store-channels";

/** Streams at once. */
export const PANELS: i32 = ASC_FEATURE_RELAXED_SIMD ? 3 : 2;
/** Bytes of a value for each channel of a panel: its offsets, scales or sums. */
export const CHANNELS_BYTES: i32 = NR << 2;

/** Panels begin..end of y. */
export function multiplyRowQc8w(
  a: usize,
  scales: usize,
  w: usize,
  bias: usize,
  y: usize,
  N: i32,
  K: i32,
  begin: i32,
  end: i32,
): void {
  const panelBytes = panelBytesQc8w(K);
  const stride = (end - begin) / PANELS;
  let panel = begin;
  for (const streamEnd = begin + stride; panel < streamEnd; panel++) {
    multiplyPanels(PANELS, a, scales, w + <usize>panel * panelBytes, bias, y, panel, stride, N, K);
  }
  for (panel = begin + stride * PANELS; panel < end; panel++) {
    multiplyPanels(1, a, scales, w + <usize>panel * panelBytes, bias, y, panel, 0, N, K);
  }
}

/** P (a literal) panels: `panel`, which starts at `packed`, and those `stride` panels further each. */
@inline
function multiplyPanels(
  P: i32,
  a: usize,
  scales: usize,
  packed: usize,
  bias: usize,
  y: usize,
  panel: i32,
  stride: i32,
  N: i32,
  K: i32,
): void {
  const streamBytes = <usize>stride * panelBytesQc8w(K);
  const totals = a + ((<usize>K) << 1);
  const totalsEnd = totals + P * CHANNELS_BYTES;
  for (let total = totals; total < totalsEnd; total += 16) v128.store(total, f32x4.splat(0));
  let offsets = packed + CHANNELS_BYTES;
  let w = packed + weightsOffsetQc8w(K);
  for (let k = 0; k < K; k += CHANNEL_BLOCK, offsets += CHANNELS_BYTES) {
    const count = <usize>min(CHANNEL_BLOCK, K - k);
    addBlock(P, false, ADD_SCALED, a, K, w, packed, offsets, 0, streamBytes, totals, count);
    a += ASC_FEATURE_RELAXED_SIMD ? count : count << 1;
    w += count << 3;
  }
  storeTotals(P, totals, scales, bias, y, panel, stride, N);
}

/** The sums of P panels, `stride` apart, times the row's scale, plus bias, to y. */
@inline
export function storeTotals(P: i32, totals: usize, scales: usize, bias: usize, y: usize, panel: i32, stride: i32, N: i32): void {
  const rowScale = v128.load32_splat(scales);
  for (const end = totals + P * CHANNELS_BYTES; totals < end; totals += CHANNELS_BYTES, panel += stride) {
    const low = f32x4.mul(v128.load(totals), rowScale);
    const high = f32x4.mul(v128.load(totals, 16), rowScale);
    storeChannels(low, high, bias, y, panel * NR, N);
  }
}

/**
 * `count` k of P panels, `streamBytes` apart: adds the scaled dot products to the sums at `totals`. Literals:
 * `signs`, what the high plane of the relaxed build is (arrange-activations.ts), which has no offsets then;
 * `to`, what becomes of a group (accumulators.ts), whose sum of activations is at `sum`.
 */
@inline
export function addBlock(
  P: i32,
  signs: bool,
  to: i32,
  a: usize,
  K: i32,
  w0: usize,
  scale: usize,
  offsets: usize,
  sum: usize,
  streamBytes: usize,
  totals: usize,
  count: usize,
): void {
  const zero = i32x4.splat(0);
  // Two sums for channels 0..3 and two for 4..7 of each stream: over the low and the high plane (relaxed), or
  // over k 0, 2 and k 1, 3.
  let lowA0 = zero,
    lowB0 = zero,
    highA0 = zero,
    highB0 = zero;
  let lowA1 = zero,
    lowB1 = zero,
    highA1 = zero,
    highB1 = zero;
  let lowA2 = zero,
    lowB2 = zero,
    highA2 = zero,
    highB2 = zero;
  let w1 = w0 + streamBytes;
  let w2 = w1 + streamBytes;
  for (const end = w0 + (count << 3); w0 < end; w0 += 32) {
    const operandA = v128.load32_splat(ASC_FEATURE_RELAXED_SIMD ? a + <usize>K : a);
    const operandB = ASC_FEATURE_RELAXED_SIMD ? v128.load32_splat(a) : v128.load32_splat(a, 4);
    a += ASC_FEATURE_RELAXED_SIMD ? 4 : 8;
    let w = v128.load(w0);
    lowA0 = multiplyAdd(lowA0, bytes02(w), operandA, true);
    lowB0 = multiplyAdd(lowB0, bytes13(w), operandB, true);
    w = v128.load(w0, 16);
    highA0 = multiplyAdd(highA0, bytes02(w), operandA, true);
    highB0 = multiplyAdd(highB0, bytes13(w), operandB, true);
    if (P > 1) {
      w = v128.load(w1);
      lowA1 = multiplyAdd(lowA1, bytes02(w), operandA, true);
      lowB1 = multiplyAdd(lowB1, bytes13(w), operandB, true);
      w = v128.load(w1, 16);
      highA1 = multiplyAdd(highA1, bytes02(w), operandA, true);
      highB1 = multiplyAdd(highB1, bytes13(w), operandB, true);
      w1 += 32;
    }
    if (P > 2) {
      w = v128.load(w2);
      lowA2 = multiplyAdd(lowA2, bytes02(w), operandA, true);
      lowB2 = multiplyAdd(lowB2, bytes13(w), operandB, true);
      w = v128.load(w2, 16);
      highA2 = multiplyAdd(highA2, bytes02(w), operandA, true);
      highB2 = multiplyAdd(highB2, bytes13(w), operandB, true);
      w2 += 32;
    }
  }
  addToTotal(to, totals, join(signs, lowA0, lowB0, offsets), join(signs, highA0, highB0, offsets + 16), scale, sum);
  if (P > 1) {
    totals += CHANNELS_BYTES;
    offsets += streamBytes;
    scale += streamBytes;
    addToTotal(to, totals, join(signs, lowA1, lowB1, offsets), join(signs, highA1, highB1, offsets + 16), scale, sum);
  }
  if (P > 2) {
    totals += CHANNELS_BYTES;
    offsets += streamBytes;
    scale += streamBytes;
    addToTotal(to, totals, join(signs, lowA2, lowB2, offsets), join(signs, highA2, highB2, offsets + 16), scale, sum);
  }
}

/** The operand that meets activations of k 0 and 2; relaxed: the weights of all four k as they lie. */
@inline
function bytes02(w: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? w : i16x8.shr_s(i16x8.shl(w, 8), 8);
}

/** The operand that meets activations of k 1 and 3; relaxed as above. */
@inline
function bytes13(w: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? w : i16x8.shr_s(w, 8);
}

/**
 * The dot products of four channels from their two sums; relaxed: of the low and the high plane, the latter
 * with the channels' offsets. These come last: accumulators that start at them wait for a line that no
 * earlier load has asked for, a tenth of the time of 576 k.
 */
@inline
function join(signs: bool, first: v128, second: v128, offsets: usize): v128 {
  if (ASC_FEATURE_RELAXED_SIMD && signs) return i32x4.sub(first, i32x4.shl(second, 7));
  return i32x4.add(first, ASC_FEATURE_RELAXED_SIMD ? i32x4.shl(i32x4.add(second, v128.load(offsets)), 7) : second);
}
