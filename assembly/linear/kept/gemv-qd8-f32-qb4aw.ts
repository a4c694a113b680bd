/**
 * y[N] = (a[K] * w[N, K]^T) * scales[0] + bias[N]
 *
 * Decode: one row of 8-bit activations, 4-bit weights with a scale and a minimum in binary16.
 *
 *   q        i8[K]          -128..127
 *   scales   f32[1]
 *   sums     i32[K/G]       -8 * sum of q over a group (quantize-activations.ts)
 *   w        qb4aw panels   layout-kept.ts
 *   bias     f32[N]         or 0 for none
 *   y        f32[N]         gemm-qd8-f32-qb4aw.ts has the equation
 *   scratch  linear_scratch_bytes(1, K), the thread's own
 *
 * Units of work: panels begin..end of 8 channels. Writes y of these panels' channels below N and nothing
 * else; no over-read. Preconditions: those of the GEMM. Streams and steps are those of
 * gemv_qd8_f32_qb4w_1x8c4, whose file says why; a group ends elsewhere.
 */
import { ADD_AFFINE_HALVES, FROM_ZERO } from "../accumulators";
import { multiplyRow } from "../gemv-qd8-f32-qb4w";

export function gemv_qd8_f32_qb4aw_1x8c4(
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
  multiplyRow(FROM_ZERO, ADD_AFFINE_HALVES, q, scales, sums, w, bias, y, N, K, G, begin, end, scratch, false);
}
