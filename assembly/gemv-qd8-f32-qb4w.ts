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
 *   scratch  i16[K], then f32[PANELS, 8]      the thread's own; simd128 only
 *
 * Units of work: panels begin..end of 8 channels. Writes y of these panels' channels below N and nothing else; no over-read.
 * Preconditions: K % G == 0, G % 16 == 0, G <= 4096 (products of 256 * u stay in i32); 16-byte alignment is fastest, none is needed.
 *
 * Tile 1x8c4, PANELS panels at once, each from a stream of its own: the range is cut into PANELS runs of panels far apart. They share what is done
 * for activations; and since each stream goes on from panel to panel, prefetchers follow several at a time, where one stream leaves half of
 * the memory's bandwidth unused (docs/kernels.md). Panels left over go one by one. relaxed takes 16 bytes of each stream in turn; simd128, which
 * has no registers for that, a group of each in turn, with the streams' sums in scratch.
 *
 * relaxed: 16 bytes hold 32 weights: two masks and a shift make two operands of the 8-bit dot product.
 * simd128: three masks and one shift make four operands of the 16-bit dot product. A mask leaves a nibble at its place in the 16-bit lane, times
 * 1, 16 or 256, and the power is divided out (exactly) once for each group: two shifts and a mask fewer for every 16 bytes.
 */
import { arrangeRow } from "./arrange-activations";
import { groupBytesQb4w, NR, panelBytesQb4w } from "./layout";
import { multiplyAdd } from "./gemm-tile";
import { storeChannels } from "./store-channels";

/** Streams at once. */
const PANELS: i32 = 6;
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
  if (!ASC_FEATURE_RELAXED_SIMD) {
    arrangeRow(q, scratch, K, 1, false);
    q = scratch;
    scratch += activationBytes(K);
  }
  const panelBytes = panelBytesQb4w(K, G);
  const stride = (end - begin) / PANELS;
  let panel = begin;
  for (const streamEnd = begin + stride; panel < streamEnd; panel++) {
    multiplyPanels(PANELS, q, scales, sums, w + <usize>panel * panelBytes, bias, y, panel, stride, N, K, G, scratch);
  }
  for (panel = begin + stride * PANELS; panel < end; panel++) {
    multiplyPanels(1, q, scales, sums, w + <usize>panel * panelBytes, bias, y, panel, 0, N, K, G, scratch);
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
): void {
  const panelBytes = panelBytesQb4w(K, G);
  const streamBytes = <usize>stride * panelBytes;
  const totalsEnd = totals + P * SUMS_BYTES;
  for (let total = totals; total < totalsEnd; total += 16) v128.store(total, f32x4.splat(0));
  for (const end = packed + panelBytes; packed < end; packed += groupBytesQb4w(G), sum += 4) {
    let stream = packed;
    for (let total = totals; total < totalsEnd; total += SUMS_BYTES, stream += streamBytes) addGroup(a, sum, stream, total, G);
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

/** One group of one panel: adds its 8 scaled dot products to the sums at `total`. */
@inline
function addGroup(a: usize, sum: usize, packed: usize, total: usize, G: i32): void {
  if (ASC_FEATURE_RELAXED_SIMD) addGroupI8(a, sum, packed, total, G);
  else addGroupI16(a, sum, packed, total, G);
}


@inline
function addGroupI8(a: usize, sum: usize, packed: usize, total: usize, G: i32): void {
  const nibble = i8x16.splat(0x0f);
  const scale = packed;
  let low = v128.load32_splat(sum);
  let high = low;
  packed += 32;
  for (const end = packed + ((<usize>G) << 2); packed < end; packed += 16, a += 4) {
    const w = v128.load(packed);
    const operand = v128.load32_splat(a);
    low = multiplyAdd(low, v128.and(w, nibble), operand, false);
    high = multiplyAdd(high, v128.and(i16x8.shr_u(w, 4), nibble), operand, false);
  }
  v128.store(total, addScaled(v128.load(total), low, scale));
  v128.store(total, addScaled(v128.load(total, 16), high, scale + 16), 16);
}


@inline
function addGroupI16(a: usize, sum: usize, packed: usize, total: usize, G: i32): void {
  const nibble0 = i16x8.splat(0x000f);
  const nibble1 = i16x8.splat(0x00f0);
  const nibble2 = i16x8.splat(0x0f00);
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
  v128.store(total, addScaled(v128.load(total), i32x4.add(low02, i32x4.shr_s(low13, 8)), scale));
  v128.store(total, addScaled(v128.load(total, 16), i32x4.add(high13, i32x4.shr_s(high02, 4)), scale + 16), 16);
}
