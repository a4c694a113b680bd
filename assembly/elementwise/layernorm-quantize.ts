/**
 * Residual connection, LayerNorm and quantization in one pass over a row: rmsnorm-quantize.ts with the other
 * norm.
 *
 *   x[m,k] += residual[m,k]                                             unless residual is 0
 *   a[m,k]  = ((x[m,k] - mean[m]) * r[m]) * weight[k] + bias[k]
 *           mean and r as in layernorm.ts; bias 0: none
 *   q, scales, sums of a                                                as in quantize-activations.ts
 *
 *   x, residual   f32[M, K]
 *   weight, bias  f32[K]
 *   q             i8[M, K]; i16[M, K] for 14 bits
 *   scales        f32[M]
 *   sums          i32[M, K/G]
 *
 * `scale` is the calibrated one of all rows (static), or 0: each row gets its own, from its largest
 * magnitude. The bits are those of add_f32, layernorm_f32 and quantize_f32_qs8, qd8 or qd14 one after the
 * other; the normalized floats are never stored. Units: rows; pointers are those of row 0. Preconditions: K %
 * G == 0, G % 16 == 0. Reads and writes nothing outside the shapes.
 */
import { addResidual } from "./add";
import { meanRow, reciprocalDeviation } from "./layernorm";
import { absmaxRow, ACTIVATION_MAX_14, LAYERNORM, quantizeRow, quantizeRow14 } from "./quantize-row";

/** Not inlined: one call for each row costs nothing, and two kernels share it. */
function absmax(x: usize, weight: usize, bias: usize, mean: f32, r: f32, K: i32): f32 {
  return absmaxRow(LAYERNORM, x, weight, bias, mean, r, K);
}

export function layernorm_f32_qd8(
  x: usize,
  residual: usize,
  weight: usize,
  bias: usize,
  q: usize,
  scales: usize,
  sums: usize,
  K: i32,
  G: i32,
  eps: f32,
  scale: f32,
  begin: i32,
  end: i32,
): void {
  const groups = K / G;
  for (let m = <usize>begin; m < <usize>end; m++) {
    addResidual(x, residual, m, K);
    const row = x + ((m * K) << 2);
    const mean = meanRow(row, K);
    const r = reciprocalDeviation(row, K, mean, eps);
    const rowScale = scale > 0 ? scale : absmax(row, weight, bias, mean, r, K) / 127;
    store<f32>(scales + (m << 2), rowScale);
    quantizeRow(LAYERNORM, row, weight, bias, mean, r, q + m * K, sums + ((m * groups) << 2), K, G, rowScale);
  }
}

/** 14 bits are always dynamic, and have no sums. */
export function layernorm_f32_qd14(
  x: usize,
  residual: usize,
  weight: usize,
  bias: usize,
  q: usize,
  scales: usize,
  K: i32,
  eps: f32,
  begin: i32,
  end: i32,
): void {
  for (let m = <usize>begin; m < <usize>end; m++) {
    addResidual(x, residual, m, K);
    const row = x + ((m * K) << 2);
    const mean = meanRow(row, K);
    const r = reciprocalDeviation(row, K, mean, eps);
    const scale = absmax(row, weight, bias, mean, r, K) / <f32>ACTIVATION_MAX_14;
    store<f32>(scales + (m << 2), scale);
    quantizeRow14(LAYERNORM, row, weight, bias, mean, r, q + ((m * K) << 1), K, scale);
  }
}
