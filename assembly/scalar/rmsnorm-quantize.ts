/** Twin of `../rmsnorm-quantize.ts`: each element made anew wherever it is needed. */
import { add_f32 } from "./add";
import { quantize, quantize14 } from "./quantize-activations";
import { reciprocalRms } from "./rmsnorm";


@inline
function normalized(x: usize, weight: usize, r: f32, k: usize): f32 {
  return load<f32>(x + (k << 2)) * r * load<f32>(weight + (k << 2));
}

function absmax(x: usize, weight: usize, r: f32, K: i32): f32 {
  let absmax: f32 = 0;
  for (let k: usize = 0; k < <usize>K; k++) {
    const magnitude = abs<f32>(normalized(x, weight, r, k));
    if (absmax < magnitude) absmax = magnitude;
  }
  return absmax;
}

function quantizeRow(x: usize, weight: usize, r: f32, q: usize, sums: usize, K: i32, G: i32, scale: f32): void {
  for (let g: usize = 0; g < <usize>(K / G); g++) {
    let sum = 0;
    for (let k = g * G; k < (g + 1) * G; k++) {
      const value = quantize(normalized(x, weight, r, k), scale);
      store<i8>(q + k, value);
      sum += value;
    }
    store<i32>(sums + (g << 2), -8 * sum);
  }
}

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
  if (residual != 0) add_f32(x, residual, K, begin, end);
  for (let m = <usize>begin; m < <usize>end; m++) {
    const row = x + ((m * K) << 2);
    const r = reciprocalRms(row, K, eps);
    const rowScale: f32 = scale > 0 ? scale : absmax(row, weight, r, K) / 127;
    store<f32>(scales + (m << 2), rowScale);
    quantizeRow(row, weight, r, q + m * K, sums + ((m * <usize>(K / G)) << 2), K, G, rowScale == 0 ? 1 : rowScale);
  }
}

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
  if (residual != 0) add_f32(x, residual, K, begin, end);
  for (let m = <usize>begin; m < <usize>end; m++) {
    const row = x + ((m * K) << 2);
    const r = reciprocalRms(row, K, eps);
    const scale: f32 = absmax(row, weight, r, K) / 8191;
    store<f32>(scales + (m << 2), scale);
    for (let k: usize = 0; k < <usize>K; k++) {
      store<i16>(q + ((m * K + k) << 1), quantize14(normalized(row, weight, r, k), scale == 0 ? 1 : scale));
    }
  }
}
