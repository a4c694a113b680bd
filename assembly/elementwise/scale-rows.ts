/**
 * A factor for each token: the reciprocal of its size in the residual stream, for a model whose layers read
 * their inputs in units of it (FPTQuant's S_n).
 *
 *   residual_scales_f32   scales[m] = r, scales[M + m] = 1 / r     r = 1 / sqrt(sum of x[m,k]^2 / K + eps)
 *                         both 1 where that root is 0
 *   scale_rows_f32        x[m,k] *= scales[m], in place
 *
 *   x       f32[M, K]
 *   scales  f32[2, M]; f32[M]
 *
 * r as in rmsnorm.ts. Reads and writes nothing outside the shapes. Units: rows.
 */
import { loadPartial, storePartial } from "../math/simd";
import { reciprocalRms } from "./rmsnorm";

export function residual_scales_f32(x: usize, scales: usize, M: i32, K: i32, eps: f32, begin: i32, end: i32): void {
  for (let m = <usize>begin; m < <usize>end; m++) {
    const r = reciprocalRms(x + ((m * K) << 2), K, eps);
    const factor: f32 = r == Infinity ? 1 : r;
    store<f32>(scales + (m << 2), factor);
    store<f32>(scales + ((m + M) << 2), 1 / factor);
  }
}

export function scale_rows_f32(x: usize, scales: usize, K: i32, begin: i32, end: i32): void {
  const rest = K & 3;
  for (let m = <usize>begin; m < <usize>end; m++) {
    const scale = v128.load32_splat(scales + (m << 2));
    let at = x + ((m * K) << 2);
    for (const whole = at + ((<usize>(K & ~3)) << 2); at < whole; at += 16) v128.store(at, f32x4.mul(v128.load(at), scale));
    storePartial(at, f32x4.mul(loadPartial(at, rest), scale), rest);
  }
}
