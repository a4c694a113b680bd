/**
 * y[N] = (a[K] * w[N, K]^T) * scales[0] + bias[N]
 *
 * Decode: one row of 8-bit activations, blockwise 4-bit weights, int or E2M1.
 *
 *   dot[n, g] = sum over k of group g of a[k] * (u[n, k] - 8)           exact, i32; E2M1: u - 12 (e2m1.ts)
 *   y[n]      = (..((0 + dot[n, 0] * s[n, 0]) + dot[n, 1] * s[n, 1]) + ..) * scales[0] + bias[n]
 *             f32, each step rounded
 *
 *   q        i8[K]          -128..127
 *   scales   f32[1]
 *   sums     i32[K/G]       -8 * sum of q over a group (quantize-activations.ts): where the accumulators
 *            start
 *   w        qb4w or qb4fw panels           layout.ts
 *   bias     f32[N]         or 0 for none
 *   y        f32[N]
 *   scratch  i16[K] (simd128), i32[K/G] up to 16 bytes (E2M1), f32[PANELS, 8]      the thread's own
 *
 * Units of work: panels begin..end of 8 channels. Writes y of these panels' channels below N and nothing
 * else; no over-read. Preconditions: K % G == 0, G % 16 == 0, G <= 4096 (products of 256 * u stay in i32);
 * 16-byte alignment is fastest, none is needed.
 *
 * Tile 1x8c4, PANELS panels at once, each from a stream of its own: the range is cut into PANELS runs of
 * panels far apart. They share what is done for activations, and since each stream goes on from panel to
 * panel without a gap, prefetchers follow all of them. Adjacent panels at once would be as fast from cache
 * and a third of it from memory: each stream then jumps at each panel's end (docs/kernels.md). Panels left
 * over go one by one.
 *
 * relaxed: 16 bytes hold 32 weights: two masks and a shift make two operands of the 8-bit dot product.
 * simd128: three masks and one shift make four operands of the 16-bit dot product. A mask leaves a nibble at
 * its place in the 16-bit lane, times 1, 16 or 256, and the power is divided out (exactly) once for each
 * group: two shifts and a mask fewer for every 16 bytes.
 *
 * Why PANELS = 3, relaxed: step by step side by side, six accumulators cover the latency of the product (4 to
 * 5 cycles, two begin in each); four streams were no faster from cache, and slower from memory. Why 2,
 * simd128: a group of each in turn, since side by side they need one register more than the 15 that V8 has on
 * x64; the four accumulators of one stream already keep the ports busy, and more than two streams in turn
 * were half as fast on one of the machines measured.
 */
import { arrangeRow, QD8_QB4W } from "./arrange-activations";
import { offsetSums, operands, operandTable } from "./e2m1";
import { groupBytesQb4w, NR, panelBytesQb4w } from "../layouts/layout";
import { multiplyAdd } from "./gemm-tile";
import { nibbleMask, unknownZero } from "../math/simd";
import { storeChannels } from "./store-channels";

/** Streams at once. */
const PANELS: i32 = ASC_FEATURE_RELAXED_SIMD ? 3 : 2;
/** Bytes of a stream's sums: 8 channels, f32. */
const SUMS_BYTES: i32 = NR << 2;

export function gemv_qd8_f32_qb4w_1x8c4(
  q: usize,
  scales: usize,
  sums: usize,
  w: usize,
  bias: usize,
  y: usize,
  N: i32,
  K: i32,
  G: i32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  multiply(q, scales, sums, w, bias, y, N, K, G, begin, end, scratch, false);
}

export function gemv_qd8_f32_qb4fw_1x8c4(
  q: usize,
  scales: usize,
  sums: usize,
  w: usize,
  bias: usize,
  y: usize,
  N: i32,
  K: i32,
  G: i32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  multiply(q, scales, sums, w, bias, y, N, K, G, begin, end, scratch, true);
}

function multiply(
  q: usize,
  scales: usize,
  sums: usize,
  w: usize,
  bias: usize,
  y: usize,
  N: i32,
  K: i32,
  G: i32,
  begin: i32,
  end: i32,
  scratch: usize,
  e2m1: bool,
): void {
  if (!ASC_FEATURE_RELAXED_SIMD) {
    arrangeRow(q, scratch, K, 1, QD8_QB4W);
    q = scratch;
    scratch += activationBytes(K);
  }
  if (e2m1) {
    offsetSums(sums, scratch, K / G);
    sums = scratch;
    scratch += (((<usize>(K / G)) << 2) + 15) & ~15;
  }
  const panelBytes = panelBytesQb4w(K, G);
  const stride = (end - begin) / PANELS;
  let panel = begin;
  for (const streamEnd = begin + stride; panel < streamEnd; panel++) {
    multiplyPanels(PANELS, q, scales, sums, w + <usize>panel * panelBytes, bias, y, panel, stride, N, K, G, scratch, e2m1);
  }
  for (panel = begin + stride * PANELS; panel < end; panel++) {
    multiplyPanels(1, q, scales, sums, w + <usize>panel * panelBytes, bias, y, panel, 0, N, K, G, scratch, e2m1);
  }
}

/** sum + f32(dot) * scale, both rounded; `scale` is where four scales lie. */
@inline
function addScaled(sum: v128, dot: v128, scale: usize): v128 {
  return f32x4.add(sum, f32x4.mul(f32x4.convert_i32x4_s(dot), v128.load(scale)));
}


@inline
function storePanel(low: v128, high: v128, scales: usize, bias: usize, y: usize, panel: i32, N: i32): void {
  const rowScale = v128.load32_splat(scales);
  storeChannels(f32x4.mul(low, rowScale), f32x4.mul(high, rowScale), bias, y, panel * NR, N);
}

/** Adds the scaled dot products of one group of one panel to the 8 sums at `total`. */
@inline
function addToTotal(total: usize, low: v128, high: v128, scale: usize): void {
  v128.store(total, addScaled(v128.load(total), low, scale));
  v128.store(total, addScaled(v128.load(total, 16), high, scale + 16), 16);
}

/** P (a literal) panels: `panel`, which starts at `packed`, and those `stride` panels further each. */
@inline
function multiplyPanels(
  P: i32,
  a: usize,
  scales: usize,
  sum: usize,
  packed: usize,
  bias: usize,
  y: usize,
  panel: i32,
  stride: i32,
  N: i32,
  K: i32,
  G: i32,
  totals: usize,
  e2m1: bool,
): void {
  const panelBytes = panelBytesQb4w(K, G);
  const streamBytes = <usize>stride * panelBytes;
  const totalsEnd = totals + P * SUMS_BYTES;
  for (let total = totals; total < totalsEnd; total += 16) v128.store(total, f32x4.splat(0));
  const nibble0 = i16x8.splat(<i16>(0x000f | unknownZero(G)));
  const nibble1 = i16x8.splat(<i16>(0x00f0 | unknownZero(G)));
  const nibble2 = i16x8.splat(<i16>(0x0f00 | unknownZero(G)));
  for (const end = packed + panelBytes; packed < end; packed += groupBytesQb4w(G), sum += 4) {
    if (ASC_FEATURE_RELAXED_SIMD) {
      if (e2m1) addGroupI8(P, true, a, sum, packed, streamBytes, totals, G);
      else addGroupI8(P, false, a, sum, packed, streamBytes, totals, G);
    } else {
      let stream = packed;
      for (let total = totals; total < totalsEnd; total += SUMS_BYTES, stream += streamBytes) {
        if (e2m1) addGroupE2m1(a, sum, stream, total, G);
        else addGroupI16(a, sum, stream, total, G, nibble0, nibble1, nibble2);
      }
    }
    a += activationBytes(G);
  }
  for (let total = totals; total < totalsEnd; total += SUMS_BYTES, panel += stride) {
    storePanel(v128.load(total), v128.load(total, 16), scales, bias, y, panel, N);
  }
}

/** Bytes of n activations as the dot product of the build takes them. */
@inline
function activationBytes(n: i32): usize {
  return ASC_FEATURE_RELAXED_SIMD ? <usize>n : (<usize>n) << 1;
}


@inline
function operandOf(e2m1: bool, table: v128, nibbles: v128): v128 {
  return e2m1 ? operands(table, nibbles) : nibbles;
}

/** One group of P panels, `streamBytes` apart: adds the scaled dot products to the sums at `totals`. */
@inline
function addGroupI8(P: i32, e2m1: bool, a: usize, sum: usize, w0: usize, streamBytes: usize, totals: usize, G: i32): void {
  const nibble = nibbleMask(G);
  const table = operandTable(G);
  const scale0 = w0;
  const scale1 = scale0 + streamBytes;
  const scale2 = scale1 + streamBytes;
  let low0 = v128.load32_splat(sum);
  let high0 = low0;
  let low1 = low0;
  let high1 = low0;
  let low2 = low0;
  let high2 = low0;
  w0 += 32;
  let w1 = scale1 + 32;
  let w2 = scale2 + 32;
  for (const end = w0 + ((<usize>G) << 2); w0 < end; a += 4) {
    const operand = v128.load32_splat(a);
    let w = v128.load(w0);
    low0 = multiplyAdd(low0, operandOf(e2m1, table, v128.and(w, nibble)), operand, false);
    high0 = multiplyAdd(high0, operandOf(e2m1, table, v128.and(i16x8.shr_u(w, 4), nibble)), operand, false);
    w0 += 16;
    if (P > 1) {
      w = v128.load(w1);
      low1 = multiplyAdd(low1, operandOf(e2m1, table, v128.and(w, nibble)), operand, false);
      high1 = multiplyAdd(high1, operandOf(e2m1, table, v128.and(i16x8.shr_u(w, 4), nibble)), operand, false);
      w1 += 16;
    }
    if (P > 2) {
      w = v128.load(w2);
      low2 = multiplyAdd(low2, operandOf(e2m1, table, v128.and(w, nibble)), operand, false);
      high2 = multiplyAdd(high2, operandOf(e2m1, table, v128.and(i16x8.shr_u(w, 4), nibble)), operand, false);
      w2 += 16;
    }
  }
  addToTotal(totals, low0, high0, scale0);
  if (P > 1) addToTotal(totals + SUMS_BYTES, low1, high1, scale1);
  if (P > 2) addToTotal(totals + SUMS_BYTES * 2, low2, high2, scale2);
}

/** One group of one panel: adds the scaled dot products to the sums at `total`. */
@inline
function addGroupI16(
  a: usize,
  sum: usize,
  packed: usize,
  total: usize,
  G: i32,
  nibble0: v128,
  nibble1: v128,
  nibble2: v128,
): void {
  const scale = packed;
  let low02 = v128.load32_splat(sum);
  let high02 = i32x4.splat(0);
  let low13 = i32x4.splat(0);
  let high13 = low02;
  packed += 32;
  for (const end = packed + ((<usize>G) << 2); packed < end; packed += 16, a += 8) {
    const w = v128.load(packed);
    const a02 = v128.load32_splat(a);
    const a13 = v128.load32_splat(a, 4);
    low02 = multiplyAdd(low02, v128.and(w, nibble0), a02, false);
    high02 = multiplyAdd(high02, v128.and(w, nibble1), a02, false);
    low13 = multiplyAdd(low13, v128.and(w, nibble2), a13, false);
    high13 = multiplyAdd(high13, i16x8.shr_u(w, 12), a13, false);
  }
  // Products of k 1 and 3 carry 256 in channels 0..3, products of k 0 and 2 carry 16 in channels 4..7.
  const low = i32x4.add(low02, i32x4.shr_s(low13, 8));
  const high = i32x4.add(high13, i32x4.shr_s(high02, 4));
  addToTotal(total, low, high, scale);
}

/** The same for E2M1: all nibbles are looked up as bytes, which are then taken apart. */
@inline
function addGroupE2m1(a: usize, sum: usize, packed: usize, total: usize, G: i32): void {
  const nibble = nibbleMask(G);
  const table = operandTable(G);
  const byte = i16x8.splat(<i16>(0x00ff | unknownZero(G)));
  const scale = packed;
  let low02 = v128.load32_splat(sum);
  let high02 = low02;
  let low13 = i32x4.splat(0);
  let high13 = low13;
  packed += 32;
  for (const end = packed + ((<usize>G) << 2); packed < end; packed += 16, a += 8) {
    const w = v128.load(packed);
    const a02 = v128.load32_splat(a);
    const a13 = v128.load32_splat(a, 4);
    const low = operands(table, v128.and(w, nibble));
    const high = operands(table, v128.and(i16x8.shr_u(w, 4), nibble));
    low02 = multiplyAdd(low02, v128.and(low, byte), a02, false);
    high02 = multiplyAdd(high02, v128.and(high, byte), a02, false);
    low13 = multiplyAdd(low13, i16x8.shr_u(low, 8), a13, false);
    high13 = multiplyAdd(high13, i16x8.shr_u(high, 8), a13, false);
  }
  addToTotal(total, i32x4.add(low02, low13), i32x4.add(high02, high13), scale);
}
