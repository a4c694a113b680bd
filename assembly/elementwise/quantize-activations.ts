/**
 * Quantization of activations: f32 rows to int8 rows, with the group sums that offset-binary weights need.
 *
 *   dynamic, per token    scale[m] = max_k |x[m,k]| / 127
 *   static, per tensor    scale[m] = scale, given (calibrated)
 *
 *   q[m,k]    = clamp(roundHalfEven(x[m,k] / scale[m]), -128, 127)
 *   sums[m,g] = -8 * sum of q[m,k] over the k of group g
 *
 *   x       f32[M, K]      rows follow one another
 *   q       i8[M, K]
 *   scales  f32[M]         0 for an all-zero row in the dynamic case; its q and sums are 0
 *   sums    i32[M, K/G]    the GEMM's accumulators start here, so that weights stored as q + 8 cost nothing
 *
 * Units of work: rows begin..end; pointers are those of row 0. Preconditions: K % G == 0, G % 16 == 0, a
 * static scale is finite and above 0. Any alignment; 16 bytes is fastest. Reads and writes nothing outside
 * the shapes. A NaN element counts as zero; NaN is caught where the residual stream reaches the logits. An
 * infinity makes a dynamic scale infinite, which reaches the logits as NaN.
 *
 * Why -128 stays: other readers of the checkpoint clamp there. Only a static scale can reach it, with a value
 * beyond calibration. The steps of a row are in quantize-row.ts, shared with the kernels that make their
 * floats themselves.
 */
import { absmaxRow, ACTIVATION_MAX_14, PLAIN, quantizeFloats, quantizeRow14 } from "./quantize-row";

/** Dynamic per-token quantization (FPTQ, section 3: layers whose range is v1 or more). */
export function quantize_f32_qd8(x: usize, q: usize, scales: usize, sums: usize, K: i32, G: i32, begin: i32, end: i32): void {
  const groups = K / G;
  for (let m = <usize>begin; m < <usize>end; m++) {
    quantizeFloats(x + ((m * K) << 2), q + m * K, scales + (m << 2), sums + ((m * groups) << 2), K, G, 0);
  }
}

/**
 * Static per-tensor quantization (FPTQ, section 3: layers whose range is below v1). Out-of-range values
 * saturate.
 */
export function quantize_f32_qs8(
  x: usize,
  q: usize,
  scales: usize,
  sums: usize,
  K: i32,
  G: i32,
  scale: f32,
  begin: i32,
  end: i32,
): void {
  const groups = K / G;
  for (let m = <usize>begin; m < <usize>end; m++) {
    quantizeFloats(x + ((m * K) << 2), q + m * K, scales + (m << 2), sums + ((m * groups) << 2), K, G, scale);
  }
}

/**
 * Dynamic per-token quantization to 14 bits, q i16[M, K]: the head's input, whose weights are 8-bit. No sums:
 * its kernels start elsewhere.
 */
export function quantize_f32_qd14(x: usize, q: usize, scales: usize, K: i32, begin: i32, end: i32): void {
  for (let m = <usize>begin; m < <usize>end; m++) {
    const row = x + ((m * K) << 2);
    const scale = absmaxRow(PLAIN, row, 0, 0, 0, 0, K) / <f32>ACTIVATION_MAX_14;
    store<f32>(scales + (m << 2), scale);
    quantizeRow14(PLAIN, row, 0, 0, 0, 0, q + ((m * K) << 1), K, scale);
  }
}
