/** Twin of `../elementwise/layernorm.ts`. */
import { CENTRED_SQUARES, VALUES } from "../elementwise/sum-row";
import { sumRow } from "./sum-row";

export function meanRow(x: usize, K: i32): f32 {
  return sumRow(VALUES, x, K, 0) / <f32>K;
}

export function reciprocalDeviation(x: usize, K: i32, mean: f32, eps: f32): f32 {
  return 1 / sqrt<f32>(sumRow(CENTRED_SQUARES, x, K, mean) / <f32>K + eps);
}

/** Element k, normalized. */
@inline
export function normalized(x: usize, weight: usize, bias: usize, mean: f32, r: f32, k: usize): f32 {
  const value: f32 = (load<f32>(x + (k << 2)) - mean) * r * load<f32>(weight + (k << 2));
  return bias == 0 ? value : value + load<f32>(bias + (k << 2));
}

export function layernorm_f32(
  x: usize,
  weight: usize,
  bias: usize,
  y: usize,
  M: i32,
  K: i32,
  eps: f32,
  begin: i32,
  end: i32,
): void {
  for (let m = <usize>begin; m < <usize>end; m++) {
    const offset = (m * K) << 2;
    const mean = meanRow(x + offset, K);
    const r = reciprocalDeviation(x + offset, K, mean, eps);
    for (let k: usize = 0; k < <usize>K; k++) {
      store<f32>(y + offset + (k << 2), normalized(x + offset, weight, bias, mean, r, k));
    }
  }
}

export function layernorm_heads_f32(
  x: usize,
  weight: usize,
  heads: i32,
  D: i32,
  stride: i32,
  eps: f32,
  begin: i32,
  end: i32,
): void {
  for (let m = <usize>begin; m < <usize>end; m++) {
    for (let h: usize = 0; h < <usize>heads; h++) {
      const head = x + ((m * stride + h * D) << 2);
      const mean = meanRow(head, D);
      const r = reciprocalDeviation(head, D, mean, eps);
      const own = weight + ((h * D) << 2);
      for (let d: usize = 0; d < <usize>D; d++) store<f32>(head + (d << 2), normalized(head, own, 0, mean, r, d));
    }
  }
}
