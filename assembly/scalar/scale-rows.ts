/** Twins of `../elementwise/scale-rows.ts`. */
import { reciprocalRms } from "./rmsnorm";

export function residual_scales_f32(x: usize, scales: usize, M: i32, K: i32, eps: f32, begin: i32, end: i32): void {
  for (let m = begin; m < end; m++) {
    const r = reciprocalRms(x + ((<usize>(m * K)) << 2), K, eps);
    const factor: f32 = r == Infinity ? 1 : r;
    store<f32>(scales + ((<usize>m) << 2), factor);
    store<f32>(scales + ((<usize>(m + M)) << 2), 1 / factor);
  }
}

export function scale_rows_f32(x: usize, scales: usize, K: i32, begin: i32, end: i32): void {
  for (let m = begin; m < end; m++) {
    for (let k = 0; k < K; k++) {
      const at = x + ((<usize>(m * K + k)) << 2);
      store<f32>(at, load<f32>(at) * load<f32>(scales + ((<usize>m) << 2)));
    }
  }
}
