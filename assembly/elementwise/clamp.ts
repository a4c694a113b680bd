/**
 * x[m,k] = max(low, min(high, x[m,k])), in place: what 8 bits hold of values that are to have fewer, before
 * they are quantized. NaN stays NaN.
 *
 *   x  f32[M, K], rows `stride` floats apart
 *
 * Reads and writes nothing outside the shape. Units: rows.
 */
import { loadPartial, storePartial } from "../math/simd";


@inline
function clampVector(v: v128, low: v128, high: v128): v128 {
  return f32x4.max(low, f32x4.min(high, v));
}

export function clamp_f32(x: usize, K: i32, stride: i32, low: f32, high: f32, begin: i32, end: i32): void {
  const least = f32x4.splat(low);
  const most = f32x4.splat(high);
  const rest = K & 3;
  for (let m = <usize>begin; m < <usize>end; m++) {
    let at = x + ((m * stride) << 2);
    for (const whole = at + ((<usize>(K & ~3)) << 2); at < whole; at += 16) {
      v128.store(at, clampVector(v128.load(at), least, most));
    }
    storePartial(at, clampVector(loadPartial(at, rest), least, most), rest);
  }
}
