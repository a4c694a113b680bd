/**
 * y[N] = (a[K] * w[N, K]^T) * scales[0] + bias[N]      decode: one row of 8-bit activations, 8-bit weights per channel (the head)
 *
 *   dot[n] = sum over k of a[k] * q[n, k]                               exact, i32
 *   y[n]   = (0 + dot[n] * s[n]) * scales[0] + bias[n]                  f32, each step rounded
 *
 *   q        i8[K]          -128..127
 *   scales   f32[1]
 *   w        qc8w panels    layout.ts
 *   bias     f32[N]         or 0 for none
 *   y        f32[N]
 *   scratch  i16[K] or two planes of i8[K]      the thread's own
 *
 * Units of work: panels begin..end of 8 channels. Writes y of these panels' channels below N and nothing else; no over-read.
 * Preconditions: K % 16 == 0, K <= 2^16 (128 * 127 * K stays in i32); 16-byte alignment is fastest, none is needed.
 *
 * Tile 1x8c4, PANELS panels at once, each from a stream of its own (gemv-qd8-f32-qb4w.ts says why).
 *
 * relaxed: weights are the signed operand as they lie; the activations are two planes in 0..127 (arrange-activations.ts), each with accumulators of
 * its own, and dot = low - 128 * sign.
 * simd128: three shifts and four 16-bit dot products for each 32 bytes, less than the memory takes to bring them.
 *
 * Why PANELS = 3, relaxed: twelve accumulators, two operands of activations and a vector of weights are the 15 registers V8 has on x64. Why 2,
 * simd128: eight accumulators, two operands of activations, a vector of weights and what is shifted out of it.
 */
import { arrangeRow } from "./arrange-activations";
import { multiplyAdd } from "./gemm-tile";
import { NR, panelBytesQc8w } from "./layout";
import { storeChannels } from "./store-channels";

/** Streams at once. */
const PANELS: i32 = ASC_FEATURE_RELAXED_SIMD ? 3 : 2;

export function gemv_qd8_f32_qc8w_1x8c4(
  q: usize,
  scales: usize,
  w: usize,
  bias: usize,
  y: usize,
  N: i32,
  K: i32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  arrangeRow(q, scratch, K, 1, true);
  const panelBytes = panelBytesQc8w(K);
  const stride = (end - begin) / PANELS;
  let panel = begin;
  for (const streamEnd = begin + stride; panel < streamEnd; panel++) {
    multiplyPanels(PANELS, scratch, scales, w + <usize>panel * panelBytes, bias, y, panel, stride, N, K);
  }
  for (panel = begin + stride * PANELS; panel < end; panel++) {
    multiplyPanels(1, scratch, scales, w + <usize>panel * panelBytes, bias, y, panel, 0, N, K);
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
  const zero = i32x4.splat(0);
  // Of channels 0..3 and 4..7 of each stream two sums: over the low seven bits and the sign (relaxed), or over k 0, 2 and k 1, 3.
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
  let w0 = packed + 32;
  let w1 = w0 + streamBytes;
  let w2 = w1 + streamBytes;
  for (const end = w0 + ((<usize>K) << 3); w0 < end; w0 += 32) {
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
  storePanel(join(lowA0, lowB0), join(highA0, highB0), packed, scales, bias, y, panel, N);
  if (P > 1) {
    storePanel(join(lowA1, lowB1), join(highA1, highB1), packed + streamBytes, scales, bias, y, panel + stride, N);
  }
  if (P > 2) {
    storePanel(join(lowA2, lowB2), join(highA2, highB2), packed + 2 * streamBytes, scales, bias, y, panel + 2 * stride, N);
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

/** The dot products of four channels from their two sums. */
@inline
function join(first: v128, second: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? i32x4.sub(first, i32x4.shl(second, 7)) : i32x4.add(first, second);
}


@inline
function storePanel(low: v128, high: v128, scale: usize, scales: usize, bias: usize, y: usize, panel: i32, N: i32): void {
  const zero = f32x4.splat(0);
  const rowScale = v128.load32_splat(scales);
  const sumLow = f32x4.add(zero, f32x4.mul(f32x4.convert_i32x4_s(low), v128.load(scale)));
  const sumHigh = f32x4.add(zero, f32x4.mul(f32x4.convert_i32x4_s(high), v128.load(scale, 16)));
  storeChannels(f32x4.mul(sumLow, rowScale), f32x4.mul(sumHigh, rowScale), bias, y, panel * NR, N);
}
