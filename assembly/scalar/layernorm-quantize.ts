/** Twin of `../elementwise/layernorm-quantize.ts`: each element made anew wherever it is needed. */
import { add_f32 } from "./add";
import { meanRow, normalized, reciprocalDeviation } from "./layernorm";
import { quantize, quantize14 } from "./quantize-activations";

function absmax(x: usize, weight: usize, bias: usize, mean: f32, r: f32, K: i32): f32 {
  let absmax: f32 = 0;
  for (let k: usize = 0; k < <usize>K; k++) {
    const magnitude = abs<f32>(normalized(x, weight, bias, mean, r, k));
    if (absmax < magnitude) absmax = magnitude;
  }
  return absmax;
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
  if (residual != 0) add_f32(x, residual, K, begin, end);
  const groups = <usize>(K / G);
  for (let m = <usize>begin; m < <usize>end; m++) {
    const row = x + ((m * K) << 2);
    const mean = meanRow(row, K);
    const r = reciprocalDeviation(row, K, mean, eps);
    const rowScale: f32 = scale > 0 ? scale : absmax(row, weight, bias, mean, r, K) / 127;
    store<f32>(scales + (m << 2), rowScale);
    for (let g: usize = 0; g < groups; g++) {
      let sum = 0;
      for (let k = g * G; k < (g + 1) * G; k++) {
        const value = quantize(normalized(row, weight, bias, mean, r, k), rowScale == 0 ? 1 : rowScale);
        store<i8>(q + m * K + k, value);
        sum += value;
      }
      store<i32>(sums + ((m * groups + g) << 2), -8 * sum);
    }
  }
}

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
  if (residual != 0) add_f32(x, residual, K, begin, end);
  for (let m = <usize>begin; m < <usize>end; m++) {
    const row = x + ((m * K) << 2);
    const mean = meanRow(row, K);
    const r = reciprocalDeviation(row, K, mean, eps);
    const scale: f32 = absmax(row, weight, bias, mean, r, K) / 8191;
    store<f32>(scales + (m << 2), scale);
    for (let k: usize = 0; k < <usize>K; k++) {
      const value = quantize14(normalized(row, weight, bias, mean, r, k), scale == 0 ? 1 : scale);
      store<i16>(q + ((m * K + k) << 1), value);
    }
  }
}
