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
 *   scratch  i16[K]         the thread's own
 *
 * Units of work: panels begin..end of 8 channels. Writes y of these panels' channels below N and nothing else; no over-read.
 * Preconditions: K % 16 == 0, K <= 2^16 (128 * 127 * K stays in i32); 16-byte alignment is fastest, none is needed.
 *
 * Tile 1x8c4, PANELS panels side by side (gemv-qd8-f32-qb4w.ts says why).
 *
 * relaxed: weights are the signed operand as they lie; the activations are two planes in 0..127 (arrange-activations.ts), each with accumulators of
 * its own, and dot = low - 128 * sign.
 * simd128: three shifts and four 16-bit dot products for each 32 bytes, less than the memory takes to bring them.
 */
import { arrangeRow } from "./arrange-activations";
import { multiplyAdd } from "./gemm-tile";
import { NR, panelBytesQc8w } from "./layout";
import { storeChannels } from "./store-channels";

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

/** P (a literal) panels: `panel`, which starts at `packed0`, and those `stride` panels further each. */
@inline
function multiplyPanels(
  P: i32,
  a: usize,
  scales: usize,
  packed0: usize,
  bias: usize,
  y: usize,
  panel: i32,
  stride: i32,
  N: i32,
  K: i32,
): void {
  const panelBytes = panelBytesQc8w(K);
  const scale0 = packed0;
  const streamBytes = <usize>stride * panelBytes;
  let packed1 = packed0 + streamBytes;
  let packed2 = packed1 + streamBytes;
  // Of each vector of channels two sums: over the low seven bits and the sign, or over k 0, 2 and k 1, 3.
  let low0 = i32x4.splat(0),
    low1 = low0,
    high0 = low0,
    high1 = low0,
    low0b = low0,
    low1b = low0,
    high0b = low0,
    high1b = low0,
    low0c = low0,
    low1c = low0,
    high0c = low0,
    high1c = low0;
  for (const end = packed0 + panelBytes - 32; packed0 < end; packed0 += 32, packed1 += 32, packed2 += 32) {
    const low = v128.load(packed0, 32);
    const high = v128.load(packed0, 48);
    const lowB = P > 1 ? v128.load(packed1, 32) : low;
    const highB = P > 1 ? v128.load(packed1, 48) : low;
    const lowC = P > 2 ? v128.load(packed2, 32) : low;
    const highC = P > 2 ? v128.load(packed2, 48) : low;
    if (ASC_FEATURE_RELAXED_SIMD) {
      const sign = v128.load32_splat(a);
      const bits = v128.load32_splat(a + <usize>K);
      a += 4;
      low0 = multiplyAdd(low0, low, bits, true);
      low1 = multiplyAdd(low1, low, sign, true);
      high0 = multiplyAdd(high0, high, bits, true);
      high1 = multiplyAdd(high1, high, sign, true);
      if (P > 1) {
        low0b = multiplyAdd(low0b, lowB, bits, true);
        low1b = multiplyAdd(low1b, lowB, sign, true);
        high0b = multiplyAdd(high0b, highB, bits, true);
        high1b = multiplyAdd(high1b, highB, sign, true);
      }
      if (P > 2) {
        low0c = multiplyAdd(low0c, lowC, bits, true);
        low1c = multiplyAdd(low1c, lowC, sign, true);
        high0c = multiplyAdd(high0c, highC, bits, true);
        high1c = multiplyAdd(high1c, highC, sign, true);
      }
    } else {
      const a02 = v128.load32_splat(a);
      const a13 = v128.load32_splat(a, 4);
      a += 8;
      low0 = multiplyAdd(low0, i16x8.shr_s(i16x8.shl(low, 8), 8), a02, true);
      low1 = multiplyAdd(low1, i16x8.shr_s(low, 8), a13, true);
      high0 = multiplyAdd(high0, i16x8.shr_s(i16x8.shl(high, 8), 8), a02, true);
      high1 = multiplyAdd(high1, i16x8.shr_s(high, 8), a13, true);
      if (P > 1) {
        low0b = multiplyAdd(low0b, i16x8.shr_s(i16x8.shl(lowB, 8), 8), a02, true);
        low1b = multiplyAdd(low1b, i16x8.shr_s(lowB, 8), a13, true);
        high0b = multiplyAdd(high0b, i16x8.shr_s(i16x8.shl(highB, 8), 8), a02, true);
        high1b = multiplyAdd(high1b, i16x8.shr_s(highB, 8), a13, true);
      }
    }
  }
  storePanel(join(low0, low1), join(high0, high1), scale0, scales, bias, y, panel, N);
  if (P > 1) {
    storePanel(join(low0b, low1b), join(high0b, high1b), scale0 + streamBytes, scales, bias, y, panel + stride, N);
  }
  if (P > 2) {
    storePanel(join(low0c, low1c), join(high0c, high1c), scale0 + streamBytes * 2, scales, bias, y, panel + stride * 2, N);
  }
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
