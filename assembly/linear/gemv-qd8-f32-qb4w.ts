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
 * Other forms, in modules of their own, for engines whose 32-bit dot is several instructions, or one that
 * takes 8 bits of both operands: the relaxed 16-bit dot (relaxed-i16.ts, gemv-group-i8-i16.ts) and whole
 * bytes (relaxed-bytes.ts, gemv-group-bytes.ts). Those files say why their PANELS.
 *
 * Why PANELS = 3, relaxed: step by step side by side, six accumulators cover the latency of the product (4 to
 * 5 cycles, two begin in each); four streams were no faster from cache, and slower from memory. Why 2,
 * simd128: a group of each in turn, since side by side they need one register more than the 15 that V8 has on
 * x64; the four accumulators of one stream already keep the ports busy, and more than two streams in turn
 * were half as fast on one of the machines measured.
 */
import { arrangeRow, QD8_QB4W } from "./arrange-activations";
import { offsetSums } from "./e2m1";
import { groupBytesQb4w, NR } from "../layouts/layout";
import { groupBytesQb4zw } from "../layouts/layout-kept";
import { ADD_SCALED, FROM_SUM, FROM_ZERO_POINTS } from "./accumulators";
import { addGroupBytes } from "./gemv-group-bytes";
import { addGroupI8I16 } from "./gemv-group-i8-i16";
import { activationBytes, addGroupE2m1, addGroupI16, addGroupI8, SUMS_BYTES } from "./gemv-group-qb4w";
import { unknownZero } from "../math/simd";
import { storeChannels } from "./store-channels";

/** Streams at once. */
export const PANELS: i32 = !ASC_FEATURE_RELAXED_SIMD || DOT_I16 ? 2 : RAW_BYTES ? 4 : 3;

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

/** Not inlined: integers and E2M1 share it. */
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
  multiplyRow(FROM_SUM, ADD_SCALED, q, scales, sums, w, bias, y, N, K, G, begin, end, scratch, e2m1);
}

/**
 * Panels begin..end of y. `from` and `to` (literals, accumulators.ts) say the kind of weights: qb4w and qb4fw
 * start from sums, qb4zw from zero points, qb4aw from 0 and ends affine.
 */
@inline
export function multiplyRow(
  from: i32,
  to: i32,
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
  const panelBytes = <usize>(K / G) * groupBytesOf(from, G);
  const stride = (end - begin) / PANELS;
  let panel = begin;
  for (const streamEnd = begin + stride; panel < streamEnd; panel++) {
    multiplyPanels(
      PANELS,
      from,
      to,
      q,
      scales,
      sums,
      w + <usize>panel * panelBytes,
      bias,
      y,
      panel,
      stride,
      N,
      K,
      G,
      scratch,
      e2m1,
    );
  }
  for (panel = begin + stride * PANELS; panel < end; panel++) {
    multiplyPanels(1, from, to, q, scales, sums, w + <usize>panel * panelBytes, bias, y, panel, 0, N, K, G, scratch, e2m1);
  }
}

/** Bytes of a group before its blocks of 16 bytes; a scale and a minimum of qb4aw take those of a scale. */
@inline
function headerBytes(from: i32): usize {
  return from == FROM_ZERO_POINTS ? 48 : 32;
}


@inline
function groupBytesOf(from: i32, G: i32): usize {
  return from == FROM_ZERO_POINTS ? groupBytesQb4zw(G) : groupBytesQb4w(G);
}


@inline
function storePanel(low: v128, high: v128, scales: usize, bias: usize, y: usize, panel: i32, N: i32): void {
  const rowScale = v128.load32_splat(scales);
  storeChannels(f32x4.mul(low, rowScale), f32x4.mul(high, rowScale), bias, y, panel * NR, N);
}

/** P (a literal) panels: `panel`, which starts at `packed`, and those `stride` panels further each. */
@inline
function multiplyPanels(
  P: i32,
  from: i32,
  to: i32,
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
  const groupBytes = groupBytesOf(from, G);
  const panelBytes = <usize>(K / G) * groupBytes;
  const streamBytes = <usize>stride * panelBytes;
  const totalsEnd = totals + P * SUMS_BYTES;
  for (let total = totals; total < totalsEnd; total += 16) v128.store(total, f32x4.splat(0));
  const nibble0 = i16x8.splat(<i16>(0x000f | unknownZero(G)));
  const nibble1 = i16x8.splat(<i16>(0x00f0 | unknownZero(G)));
  const nibble2 = i16x8.splat(<i16>(0x0f00 | unknownZero(G)));
  for (const end = packed + panelBytes; packed < end; packed += groupBytes, sum += 4) {
    if (ASC_FEATURE_RELAXED_SIMD) {
      const w = packed + headerBytes(from);
      // Whole bytes: no E2M1, which is looked up (relaxed-bytes.ts).
      if (RAW_BYTES) addGroupBytes(P, a, sum, packed, w, streamBytes, totals, G);
      else if (DOT_I16 && e2m1) addGroupI8I16(P, from, to, true, a, sum, packed, w, streamBytes, totals, G);
      else if (DOT_I16) addGroupI8I16(P, from, to, false, a, sum, packed, w, streamBytes, totals, G);
      else if (e2m1) addGroupI8(P, from, to, true, a, sum, packed, w, streamBytes, totals, G);
      else addGroupI8(P, from, to, false, a, sum, packed, w, streamBytes, totals, G);
    } else {
      let stream = packed;
      for (let total = totals; total < totalsEnd; total += SUMS_BYTES, stream += streamBytes) {
        if (e2m1) addGroupE2m1(a, sum, stream, total, G);
        else {
          const w = stream + headerBytes(from);
          addGroupI16(from, to, a, sum, stream, w, total, G, nibble0, nibble1, nibble2);
        }
      }
    }
    a += activationBytes(G);
  }
  for (let total = totals; total < totalsEnd; total += SUMS_BYTES, panel += stride) {
    storePanel(v128.load(total), v128.load(total, 16), scales, bias, y, panel, N);
  }
}
