/**
 * y[N] = (a[K] * w[N, K]^T) * scales[0] + bias[N]
 *
 * Decode: one row of 8-bit activations, 8-bit weights with a scale for each group.
 *
 *   q        i8[K]          -128..127
 *   scales   f32[1]
 *   w        qb8w panels    layout-kept.ts
 *   bias     f32[N]         or 0 for none
 *   y        f32[N]         gemm-qd8-f32-qb8w.ts has the equation
 *   scratch  linear_scratch_bytes(1, K), the thread's own
 *
 * Units of work: panels begin..end of 8 channels. Writes y of these panels' channels below N and nothing
 * else; no over-read. Preconditions: those of the GEMM. The streams and the step are those of weights with a
 * scale per channel (gemv-qc8w.ts says why), a group being a block; only the planes of the relaxed build
 * differ.
 */
import { ADD_AFFINE_OFFSET, ADD_SCALED } from "../accumulators";
import { arrangeRow, QD8_QB8W } from "../arrange-activations";
import { signedGroupBytes } from "./gemm-tile-qb8w";
import { addBlock, CHANNELS_BYTES, PANELS, storeTotals } from "../gemv-qc8w";
import { NR } from "../../layouts/layout";

export function gemv_qd8_f32_qb8w_1x8c4(
  q: usize,
  scales: usize,
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
  multiplySignedRow(false, q, scales, 0, w, bias, y, N, K, G, begin, end, scratch);
}

/** Panels begin..end of y. `affine` (a literal): the weights are qb8aw, whose groups have minima. */
@inline
export function multiplySignedRow(
  affine: bool,
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
  arrangeRow(q, scratch, K, 1, QD8_QB8W);
  const panelBytes = <usize>(K / G) * signedGroupBytes(affine, G);
  const stride = (end - begin) / PANELS;
  let panel = begin;
  for (const streamEnd = begin + stride; panel < streamEnd; panel++) {
    const packed = w + <usize>panel * panelBytes;
    multiplyPanels(PANELS, affine, scratch, scales, sums, packed, bias, y, panel, stride, N, K, G);
  }
  for (panel = begin + stride * PANELS; panel < end; panel++) {
    const packed = w + <usize>panel * panelBytes;
    multiplyPanels(1, affine, scratch, scales, sums, packed, bias, y, panel, 0, N, K, G);
  }
}

/** P (a literal) panels: `panel`, which starts at `packed`, and those `stride` panels further each. */
@inline
function multiplyPanels(
  P: i32,
  affine: bool,
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
  const groupBytes = signedGroupBytes(affine, G);
  const panelBytes = <usize>(K / G) * groupBytes;
  const streamBytes = <usize>stride * panelBytes;
  const totals = a + ((<usize>K) << 1);
  const to = affine ? ADD_AFFINE_OFFSET : ADD_SCALED;
  const header = groupBytes - <usize>G * NR;
  memory.fill(totals, 0, P * CHANNELS_BYTES);
  for (const end = packed + panelBytes; packed < end; packed += groupBytes, sum += 4) {
    addBlock(P, true, to, a, K, packed + header, packed, 0, sum, streamBytes, totals, G);
    a += ASC_FEATURE_RELAXED_SIMD ? G : G << 1;
  }
  storeTotals(P, totals, scales, bias, y, panel, stride, N);
}
