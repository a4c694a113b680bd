/** Twins of `../elementwise/rmsnorm.ts`. */
import { SQUARES } from "../elementwise/sum-row";
import { sumRow } from "./sum-row";

export function reciprocalRms(x: usize, K: i32, eps: f32): f32 {
  return 1 / sqrt<f32>(sumRow(SQUARES, x, K, 0) / <f32>K + eps);
}

function normalize(x: usize, weight: usize, y: usize, K: i32, eps: f32): void {
  const r = reciprocalRms(x, K, eps);
  for (let k = 0; k < K; k++) {
    const i = (<usize>k) << 2;
    store<f32>(y + i, load<f32>(x + i) * r * load<f32>(weight + i));
  }
}

export function rmsnorm_f32(x: usize, weight: usize, y: usize, M: i32, K: i32, eps: f32, begin: i32, end: i32): void {
  for (let m = begin; m < end; m++) {
    const row = (<usize>(m * K)) << 2;
    normalize(x + row, weight, y + row, K, eps);
  }
}

export function rmsnorm_heads_f32(
  x: usize,
  weight: usize,
  heads: i32,
  D: i32,
  stride: i32,
  eps: f32,
  begin: i32,
  end: i32,
): void {
  for (let m = begin; m < end; m++) {
    for (let h = 0; h < heads; h++) {
      const head = x + ((<usize>(m * stride + h * D)) << 2);
      normalize(head, weight, head, D, eps);
    }
  }
}
