/**
 * Residual connection, RMSNorm and quantization in one pass over a row: what stands between two linear layers
 * of integer activations.
 *
 *   x[m,k] += residual[m,k]                    unless residual is 0
 *   a[m,k]  = (x[m,k] * r[m]) * weight[k]      r as in rmsnorm.ts
 *   q, scales, sums of a                       as in quantize-activations.ts
 *
 *   x, residual  f32[M, K]
 *   weight       f32[K]
 *   q            i8[M, K]; i16[M, K] for 14 bits
 *   scales       f32[M]
 *   sums         i32[M, K/G]
 *
 * `scale` is the calibrated one of all rows (static), or 0: each row gets its own, from its largest magnitude
 * (dynamic). The bits are those of add_f32, rmsnorm_f32 and quantize_f32_qs8, qd8 or qd14 one after the
 * other; the normalized floats are never stored. Units: rows; pointers are those of row 0. Preconditions: K %
 * G == 0, G % 16 == 0. Reads and writes nothing outside the shapes.
 *
 * Why three short loops and not one: a row stays in the first-level cache, and each loop has the registers it
 * needs.
 */
import { addResidual } from "./add";
import { absmaxRow, ACTIVATION_MAX_14, quantizeRow, quantizeRow14, RMSNORM } from "./quantize-row";
import { reciprocalRms } from "./rmsnorm";

/** The largest magnitude of a row is computed only where no scale is given. */
export function rmsnorm_f32_qd8(
  x: usize,
  residual: usize,
  weight: usize,
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
    const r = reciprocalRms(row, K, eps);
    const rowScale = scale > 0 ? scale : absmaxRow(RMSNORM, row, weight, 0, 0, r, K) / 127;
    store<f32>(scales + (m << 2), rowScale);
    quantizeRow(RMSNORM, row, weight, 0, 0, r, q + m * K, sums + ((m * groups) << 2), K, G, rowScale);
  }
}

/** 14 bits are always dynamic, and have no sums. */
export function rmsnorm_f32_qd14(
  x: usize,
  residual: usize,
  weight: usize,
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
    const r = reciprocalRms(row, K, eps);
    const scale = absmaxRow(RMSNORM, row, weight, 0, 0, r, K) / <f32>ACTIVATION_MAX_14;
    store<f32>(scales + (m << 2), scale);
    quantizeRow14(RMSNORM, row, weight, 0, 0, r, q + ((m * K) << 1), K, scale);
  }
}
