/**
 * y[N] = (a[K] * w[N, K]^T) * scales[0] + bias[N]
 *
 * Decode: one row of 8-bit activations, 4-bit weights in two levels.
 *
 *   q        i8[K]          -128..127
 *   scales   f32[1]
 *   sums     i32[K/32]      -8 * sum of q over a group of 32 (quantize-activations.ts)
 *   w        qb4mw panels   layout-kept.ts
 *   bias     f32[N]         or 0 for none
 *   y        f32[N]         gemm-qd8-f32-qb4mw.ts has the equation
 *   scratch  i16[K] (simd128), narrowed sums, f32[PANELS, 8], i32[PANELS, 8]      the thread's own
 *
 * Units of work: panels begin..end of 8 channels. Writes y of these panels' channels below N and nothing
 * else; no over-read. Preconditions: those of the GEMM. Streams and the steps of a group are those of
 * gemv_qd8_f32_qb4w_1x8c4, whose file says why; a group ends in integers, a superblock in floats. relaxed-i16
 * keeps the integers of a superblock in registers, and a group in 16-bit lanes (superblock.ts).
 */
import { arrangeRow, QD8_QB4W } from "../arrange-activations";
import { ADD_INTEGERS, FROM_ZERO } from "../accumulators";
import { sumFour } from "../gemv-group-i8-i16";
import { activationBytes, addGroupI16, addGroupI8, SUMS_BYTES } from "../gemv-group-qb4w";
import { storeTotals } from "../gemv-qc8w";
import { PANELS } from "../gemv-qd8-f32-qb4w";
import {
  blockBytesQb4mw,
  GROUP_BYTES_QB4MW,
  GROUP_QB4MW,
  groupPairs,
  groupsOffsetQb4mw,
  panelBytesQb4mw,
  scalesOffsetQb4mw,
} from "../../layouts/layout-kept";
import { nibbleMask, unknownZero } from "../../math/simd";
import { addScaledLanes, endBlock, narrowSums, narrowSumsBytes, scalesHigh, scalesLow, unknownGroup } from "./superblock";

export function gemv_qd8_f32_qb4mw_1x8c4(
  q: usize,
  scales: usize,
  sums: usize,
  w: usize,
  bias: usize,
  y: usize,
  N: i32,
  K: i32,
  B: i32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  if (!ASC_FEATURE_RELAXED_SIMD) {
    arrangeRow(q, scratch, K, 1, QD8_QB4W);
    q = scratch;
    scratch += activationBytes(K);
  }
  narrowSums(sums, scratch, 0, 1, K, B);
  const totals = (scratch + narrowSumsBytes(K, B) + 15) & ~15;
  const panelBytes = panelBytesQb4mw(K, B);
  const stride = (end - begin) / PANELS;
  let panel = begin;
  for (const streamEnd = begin + stride; panel < streamEnd; panel++) {
    const packed = w + <usize>panel * panelBytes;
    multiplyPanels(PANELS, q, scales, scratch, packed, bias, y, panel, stride, N, K, B, totals);
  }
  for (panel = begin + stride * PANELS; panel < end; panel++) {
    const packed = w + <usize>panel * panelBytes;
    multiplyPanels(1, q, scales, scratch, packed, bias, y, panel, 0, N, K, B, totals);
  }
}

/** P (a literal) panels: `panel`, which starts at `packed`, and those `stride` panels further each. */
@inline
function multiplyPanels(
  P: i32,
  a: usize,
  scales: usize,
  sums: usize,
  packed: usize,
  bias: usize,
  y: usize,
  panel: i32,
  stride: i32,
  N: i32,
  K: i32,
  B: i32,
  totals: usize,
): void {
  const panelBytes = panelBytesQb4mw(K, B);
  const streamBytes = <usize>stride * panelBytes;
  const pairs = groupPairs(B);
  const G = unknownGroup(B);
  const integers = totals + P * SUMS_BYTES;
  const integersEnd = integers + P * SUMS_BYTES;
  const nibble0 = i16x8.splat(<i16>(0x000f | unknownZero(B)));
  const nibble1 = i16x8.splat(<i16>(0x00f0 | unknownZero(B)));
  const nibble2 = i16x8.splat(<i16>(0x0f00 | unknownZero(B)));
  for (let total = totals; total < integers; total += 16) v128.store(total, f32x4.splat(0));
  for (const end = packed + panelBytes; packed < end; packed += blockBytesQb4mw(B), sums += pairs << 2) {
    let scale = packed + scalesOffsetQb4mw(B);
    let w = packed + groupsOffsetQb4mw(B);
    if (DOT_I16) {
      multiplyBlockI16(P, a, scale, w, streamBytes, integers, B);
      a += <usize>B;
    } else {
      for (let total = integers; total < integersEnd; total += 16) v128.store(total, i32x4.splat(0));
      for (const groupsEnd = packed + blockBytesQb4mw(B); w < groupsEnd; w += GROUP_BYTES_QB4MW, scale += 8) {
        if (ASC_FEATURE_RELAXED_SIMD) {
          addGroupI8(P, FROM_ZERO, ADD_INTEGERS, false, a, 0, scale, w, streamBytes, integers, G);
        } else {
          let offset: usize = 0;
          for (let total = integers; total < integersEnd; total += SUMS_BYTES, offset += streamBytes) {
            const at = scale + offset;
            addGroupI16(FROM_ZERO, ADD_INTEGERS, a, 0, at, w + offset, total, G, nibble0, nibble1, nibble2);
          }
        }
        a += activationBytes(GROUP_QB4MW);
      }
    }
    let block = packed;
    for (let total = integers; total < integersEnd; total += SUMS_BYTES, block += streamBytes) {
      endBlock(true, block, pairs, sums, total, total - P * SUMS_BYTES);
    }
  }
  storeTotals(P, totals, scales, bias, y, panel, stride, N);
}

/**
 * The integers of a superblock of P (a literal, 1 or 2) panels, `streamBytes` apart, to i32[8] each at
 * `integers`. The first one's scales are at `scale`, its groups at `w0`. Why four steps:
 * gemv-group-i8-i16.ts.
 */
@inline
function multiplyBlockI16(P: i32, a: usize, scale: usize, w0: usize, streamBytes: usize, integers: usize, B: i32): void {
  const nibble = nibbleMask(B);
  const zero = i32x4.splat(0);
  let sumLow0 = zero;
  let sumHigh0 = zero;
  let sumLow1 = zero;
  let sumHigh1 = zero;
  let w1 = w0 + streamBytes;
  for (const scaleEnd = scale + <usize>(B >> 2); scale < scaleEnd; scale += 8) {
    let low0 = zero;
    let high0 = zero;
    let low1 = zero;
    let high1 = zero;
    for (const end = w0 + GROUP_BYTES_QB4MW; w0 < end; w0 += 64, a += 16) {
      const a0 = v128.load32_splat(a);
      const a1 = v128.load32_splat(a, 4);
      const a2 = v128.load32_splat(a, 8);
      const a3 = v128.load32_splat(a, 12);
      low0 = i16x8.add(low0, sumFour(a0, a1, a2, a3, w0, false, false, nibble, zero));
      high0 = i16x8.add(high0, sumFour(a0, a1, a2, a3, w0, true, false, nibble, zero));
      if (P > 1) {
        low1 = i16x8.add(low1, sumFour(a0, a1, a2, a3, w1, false, false, nibble, zero));
        high1 = i16x8.add(high1, sumFour(a0, a1, a2, a3, w1, true, false, nibble, zero));
        w1 += 64;
      }
    }
    const s0 = v128.load8x8_u(scale);
    sumLow0 = addScaledLanes(sumLow0, low0, scalesLow(s0));
    sumHigh0 = addScaledLanes(sumHigh0, high0, scalesHigh(s0));
    if (P > 1) {
      const s1 = v128.load8x8_u(scale + streamBytes);
      sumLow1 = addScaledLanes(sumLow1, low1, scalesLow(s1));
      sumHigh1 = addScaledLanes(sumHigh1, high1, scalesHigh(s1));
    }
  }
  v128.store(integers, sumLow0);
  v128.store(integers, sumHigh0, 16);
  if (P > 1) {
    v128.store(integers, sumLow1, 32);
    v128.store(integers, sumHigh1, 48);
  }
}
