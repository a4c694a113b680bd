/**
 * y[N] = (a[K] * w[N, K]^T) * scales[0] + bias[N]      decode: one row of 8-bit activations, blockwise 4-bit weights
 *
 *   dot[n, g] = sum over k of group g of a[k] * (u[n, k] - 8)           exact, i32
 *   y[n]      = (..((0 + dot[n, 0] * s[n, 0]) + dot[n, 1] * s[n, 1]) + ..) * scales[0] + bias[n]      f32, each step rounded
 *
 *   q        i8[K]          -128..127
 *   scales   f32[1]
 *   sums     i32[K/G]       -8 * sum of q over a group (quantize-activations.ts): where the accumulators start
 *   w        qb4w panels    layout.ts
 *   bias     f32[N]         or 0 for none
 *   y        f32[N]
 *   scratch  i16[K]         the thread's own
 *
 * Units of work: panels begin..end of 8 channels. Writes y of these panels' channels below N and nothing else; no over-read.
 * Preconditions: K % G == 0, G % 16 == 0, G <= 4096 (products of 256 * u stay in i32); 16-byte alignment is fastest, none is needed.
 *
 * Tile 1x8c4, PANELS panels at once, each from a stream of its own: the range is cut into PANELS runs of panels far apart. They share what is done
 * for activations; and since each stream goes on from panel to panel, prefetchers follow several at a time, where one stream leaves half of
 * the memory's bandwidth unused (docs/kernels.md). Panels left over go one by one.
 *
 * relaxed: 16 bytes hold 32 weights: two masks and a shift make two operands of the 8-bit dot product.
 * simd128: three masks and one shift make four operands of the 16-bit dot product. A mask leaves a nibble at its place in the 16-bit lane, times
 * 1, 16 or 256, and the power is divided out (exactly) once for each group: two shifts and a mask fewer for every 16 bytes.
 */
import { arrangeRow } from "./arrange-activations";
import { groupBytesQb4w, NR, panelBytesQb4w } from "./layout";
import { multiplyAdd } from "./gemm-tile";
import { storeChannels } from "./store-channels";

/** Streams at once. The simd128 build has registers for two and gains nothing by them (docs/kernels.md). */
const PANELS: i32 = ASC_FEATURE_RELAXED_SIMD ? 4 : 1;

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
  if (!ASC_FEATURE_RELAXED_SIMD) {
    arrangeRow(q, scratch, K, 1, false);
    q = scratch;
  }
  const panelBytes = panelBytesQb4w(K, G);
  const stride = (end - begin) / PANELS;
  let panel = begin;
  for (const streamEnd = begin + stride; panel < streamEnd; panel++) {
    multiplyPanels(PANELS, q, scales, sums, w + <usize>panel * panelBytes, bias, y, panel, stride, N, K, G);
  }
  if (PANELS == 1) return; // nothing is left over
  for (panel = begin + stride * PANELS; panel < end; panel++) {
    multiplyPanels(1, q, scales, sums, w + <usize>panel * panelBytes, bias, y, panel, 0, N, K, G);
  }
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
): void {
  if (ASC_FEATURE_RELAXED_SIMD) multiplyPanelsI8(P, a, scales, sum, packed, bias, y, panel, stride, N, K, G);
  else multiplyPanelI16(a, scales, sum, packed, bias, y, panel, N, K, G);
}


@inline
function multiplyPanelsI8(
  P: i32,
  a: usize,
  scales: usize,
  sum: usize,
  packed0: usize,
  bias: usize,
  y: usize,
  panel: i32,
  stride: i32,
  N: i32,
  K: i32,
  G: i32,
): void {
  const streamBytes = <usize>stride * panelBytesQb4w(K, G);
  const nibble = i8x16.splat(0x0f);
  const groupBytes = (<usize>G) << 2;
  let y0 = f32x4.splat(0),
    z0 = y0,
    y1 = y0,
    z1 = y0,
    y2 = y0,
    z2 = y0,
    y3 = y0,
    z3 = y0;
  let packed1 = packed0 + streamBytes;
  let packed2 = packed1 + streamBytes;
  let packed3 = packed2 + streamBytes;
  for (const end = packed0 + panelBytesQb4w(K, G); packed0 < end; sum += 4) {
    let low0 = v128.load32_splat(sum);
    let high0 = low0,
      low1 = low0,
      high1 = low0,
      low2 = low0,
      high2 = low0,
      low3 = low0,
      high3 = low0;
    for (const groupEnd = a + <usize>G; a < groupEnd; a += 4) {
      const operand = v128.load32_splat(a);
      let w = v128.load(packed0, 32);
      low0 = multiplyAdd(low0, v128.and(w, nibble), operand, false);
      high0 = multiplyAdd(high0, v128.and(i16x8.shr_u(w, 4), nibble), operand, false);
      packed0 += 16;
      if (P > 1) {
        w = v128.load(packed1, 32);
        low1 = multiplyAdd(low1, v128.and(w, nibble), operand, false);
        high1 = multiplyAdd(high1, v128.and(i16x8.shr_u(w, 4), nibble), operand, false);
        packed1 += 16;
      }
      if (P > 2) {
        w = v128.load(packed2, 32);
        low2 = multiplyAdd(low2, v128.and(w, nibble), operand, false);
        high2 = multiplyAdd(high2, v128.and(i16x8.shr_u(w, 4), nibble), operand, false);
        packed2 += 16;
      }
      if (P > 3) {
        w = v128.load(packed3, 32);
        low3 = multiplyAdd(low3, v128.and(w, nibble), operand, false);
        high3 = multiplyAdd(high3, v128.and(i16x8.shr_u(w, 4), nibble), operand, false);
        packed3 += 16;
      }
    }
    y0 = addScaled(y0, low0, packed0 - groupBytes);
    z0 = addScaled(z0, high0, packed0 - groupBytes + 16);
    packed0 += 32;
    if (P > 1) {
      y1 = addScaled(y1, low1, packed1 - groupBytes);
      z1 = addScaled(z1, high1, packed1 - groupBytes + 16);
      packed1 += 32;
    }
    if (P > 2) {
      y2 = addScaled(y2, low2, packed2 - groupBytes);
      z2 = addScaled(z2, high2, packed2 - groupBytes + 16);
      packed2 += 32;
    }
    if (P > 3) {
      y3 = addScaled(y3, low3, packed3 - groupBytes);
      z3 = addScaled(z3, high3, packed3 - groupBytes + 16);
      packed3 += 32;
    }
  }
  storePanel(y0, z0, scales, bias, y, panel, N);
  if (P > 1) storePanel(y1, z1, scales, bias, y, panel + stride, N);
  if (P > 2) storePanel(y2, z2, scales, bias, y, panel + stride * 2, N);
  if (P > 3) storePanel(y3, z3, scales, bias, y, panel + stride * 3, N);
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


@inline
function multiplyPanelI16(
  a: usize,
  scales: usize,
  sum: usize,
  packed: usize,
  bias: usize,
  y: usize,
  panel: i32,
  N: i32,
  K: i32,
  G: i32,
): void {
  const nibble0 = i16x8.splat(0x000f);
  const nibble1 = i16x8.splat(0x00f0);
  const nibble2 = i16x8.splat(0x0f00);
  const groupBytes = (<usize>G) << 2;
  let low = f32x4.splat(0);
  let high = f32x4.splat(0);
  for (const end = packed + panelBytesQb4w(K, G); packed < end; sum += 4) {
    const scale = packed;
    let low02 = v128.load32_splat(sum);
    let high02 = i32x4.splat(0);
    let low13 = i32x4.splat(0);
    let high13 = low02;
    packed += 32;
    for (const groupEnd = packed + groupBytes; packed < groupEnd; packed += 16, a += 8) {
      const w = v128.load(packed);
      const a02 = v128.load32_splat(a);
      const a13 = v128.load32_splat(a, 4);
      low02 = multiplyAdd(low02, v128.and(w, nibble0), a02, false);
      high02 = multiplyAdd(high02, v128.and(w, nibble1), a02, false);
      low13 = multiplyAdd(low13, v128.and(w, nibble2), a13, false);
      high13 = multiplyAdd(high13, i16x8.shr_u(w, 12), a13, false);
    }
    low = addScaled(low, i32x4.add(low02, i32x4.shr_s(low13, 8)), scale);
    high = addScaled(high, i32x4.add(high13, i32x4.shr_s(high02, 4)), scale + 16);
  }
  storePanel(low, high, scales, bias, y, panel, N);
}
