/**
 * Activation and quantization in one pass over a row: the input of fc2 from the output of fc1, in MLPs
 * without a gate.
 *
 *   a[m,f] = gelu(x[m,f]), its form with tanh, or relu      as in plain-activation.ts
 *   q, scales, sums of a                                    as in quantize-activations.ts, K = F
 *
 *   x       f32[M, F]      the first F of rows of `stride` floats; a replaces them
 *   q       i8[M, F]
 *   scales  f32[M]
 *   sums    i32[M, F/G]
 *
 * `scale` is the calibrated one of all rows (static), or 0: each row gets its own, from its largest
 * magnitude. The bits are those of gelu_f32, gelu_tanh_f32 or relu_f32 and quantize_f32_qs8 or qd8 one after
 * the other. Units: rows; pointers are those of row 0. Preconditions: F % G == 0, G % 16 == 0. Reads and
 * writes nothing outside the shapes.
 */
import { geluRow, geluTanhRow, reluRow } from "./plain-activation";
import { quantizeFloats } from "./quantize-row";

export function gelu_f32_qd8(
  x: usize,
  q: usize,
  scales: usize,
  sums: usize,
  F: i32,
  G: i32,
  stride: i32,
  scale: f32,
  begin: i32,
  end: i32,
): void {
  for (let m = <usize>begin; m < <usize>end; m++) {
    const row = x + ((m * stride) << 2);
    geluRow(row, row, F);
    quantizeFloats(row, q + m * F, scales + (m << 2), sums + ((m * (F / G)) << 2), F, G, scale);
  }
}

export function gelu_tanh_f32_qd8(
  x: usize,
  q: usize,
  scales: usize,
  sums: usize,
  F: i32,
  G: i32,
  stride: i32,
  scale: f32,
  begin: i32,
  end: i32,
): void {
  for (let m = <usize>begin; m < <usize>end; m++) {
    const row = x + ((m * stride) << 2);
    geluTanhRow(row, row, F);
    quantizeFloats(row, q + m * F, scales + (m << 2), sums + ((m * (F / G)) << 2), F, G, scale);
  }
}

export function relu_f32_qd8(
  x: usize,
  q: usize,
  scales: usize,
  sums: usize,
  F: i32,
  G: i32,
  stride: i32,
  scale: f32,
  begin: i32,
  end: i32,
): void {
  for (let m = <usize>begin; m < <usize>end; m++) {
    const row = x + ((m * stride) << 2);
    reluRow(row, row, F);
    quantizeFloats(row, q + m * F, scales + (m << 2), sums + ((m * (F / G)) << 2), F, G, scale);
  }
}
