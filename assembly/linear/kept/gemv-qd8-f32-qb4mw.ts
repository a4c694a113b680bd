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
 * gemv_qd8_f32_qb4w_1x8c4, whose file says why; a group ends in integers, a superblock in floats.
 */
import { arrangeRow, QD8_QB4W } from "../arrange-activations";
import { ADD_INTEGERS, FROM_ZERO } from "../accumulators";
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
import { unknownZero } from "../../math/simd";
import { endBlock, narrowSums, narrowSumsBytes, unknownGroup } from "./superblock";

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
    for (let total = integers; total < integersEnd; total += 16) v128.store(total, i32x4.splat(0));
    let scale = packed + scalesOffsetQb4mw(B);
    let w = packed + groupsOffsetQb4mw(B);
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
    let block = packed;
    for (let total = integers; total < integersEnd; total += SUMS_BYTES, block += streamBytes) {
      endBlock(true, block, pairs, sums, total, total - P * SUMS_BYTES);
    }
  }
  storeTotals(P, totals, scales, bias, y, panel, stride, N);
}
