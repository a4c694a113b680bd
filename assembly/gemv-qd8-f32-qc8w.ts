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
 *   scratch  i16[K] or two planes of i8[K], then i32[PANELS, 16]      the thread's own
 *
 * Units of work: panels begin..end of 8 channels. Writes y of these panels' channels below N and nothing else; no over-read.
 * Preconditions: K % 16 == 0, K <= 2^16 (128 * 127 * K stays in i32); 16-byte alignment is fastest, none is needed.
 *
 * Tile 1x8c4, PANELS panels at once, CHUNK in_features of each in turn (gemv-qd8-f32-qb4w.ts says why); their sums wait in scratch.
 *
 * relaxed: weights are the signed operand as they lie; the activations are two planes in 0..127 (arrange-activations.ts), each with accumulators of
 * its own, and dot = low - 128 * sign.
 * simd128: three shifts and four 16-bit dot products for each 32 bytes, less than the memory takes to bring them.
 */
import { arrangeRow } from "./arrange-activations";
import { multiplyAdd } from "./gemm-tile";
import { NR, panelBytesQc8w } from "./layout";
import { storeChannels } from "./store-channels";

/** Streams at once. */
const PANELS: i32 = 6;
/** In_features of one stream before the next has its turn: 512 bytes. */
const CHUNK: i32 = 64;
/** Bytes of a stream's sums: of 8 channels two each, i32. */
const SUMS_BYTES: i32 = NR << 3;

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
  const totals = a + ((<usize>K) << 1);
  const totalsEnd = totals + P * SUMS_BYTES;
  for (let total = totals; total < totalsEnd; total += 16) v128.store(total, i32x4.splat(0));
  for (let k = 0; k < K; k += CHUNK) {
    const count = min(CHUNK, K - k);
    let stream = packed + 32 + ((<usize>k) << 3);
    for (let total = totals; total < totalsEnd; total += SUMS_BYTES, stream += streamBytes) addChunk(a, stream, total, count, K);
    a += ASC_FEATURE_RELAXED_SIMD ? CHUNK : CHUNK << 1;
  }
  for (let total = totals; total < totalsEnd; total += SUMS_BYTES, panel += stride, packed += streamBytes) {
    const low = join(v128.load(total), v128.load(total, 16));
    const high = join(v128.load(total, 32), v128.load(total, 48));
    storePanel(low, high, packed, scales, bias, y, panel, N);
  }
}

/**
 * `count` in_features of one panel, added to its sums at `total`: of each vector of channels two, over the low seven bits and the sign, or
 * over k 0, 2 and k 1, 3.
 */
@inline
function addChunk(a: usize, packed: usize, total: usize, count: i32, K: i32): void {
  let low0 = v128.load(total);
  let low1 = v128.load(total, 16);
  let high0 = v128.load(total, 32);
  let high1 = v128.load(total, 48);
  for (const end = packed + ((<usize>count) << 3); packed < end; packed += 32) {
    const low = v128.load(packed);
    const high = v128.load(packed, 16);
    if (ASC_FEATURE_RELAXED_SIMD) {
      const sign = v128.load32_splat(a);
      const bits = v128.load32_splat(a + <usize>K);
      a += 4;
      low0 = multiplyAdd(low0, low, bits, true);
      low1 = multiplyAdd(low1, low, sign, true);
      high0 = multiplyAdd(high0, high, bits, true);
      high1 = multiplyAdd(high1, high, sign, true);
    } else {
      const a02 = v128.load32_splat(a);
      const a13 = v128.load32_splat(a, 4);
      a += 8;
      low0 = multiplyAdd(low0, i16x8.shr_s(i16x8.shl(low, 8), 8), a02, true);
      low1 = multiplyAdd(low1, i16x8.shr_s(low, 8), a13, true);
      high0 = multiplyAdd(high0, i16x8.shr_s(i16x8.shl(high, 8), 8), a02, true);
      high1 = multiplyAdd(high1, i16x8.shr_s(high, 8), a13, true);
    }
  }
  v128.store(total, low0);
  v128.store(total, low1, 16);
  v128.store(total, high0, 32);
  v128.store(total, high1, 48);
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
