/**
 * Soft cap (Bello et al. 2016, equation 6; Gemma 2): x = cap * tanh(x / cap), in place: near x where x is
 * small beside the cap, never beyond it.
 *
 *   x  f32[M, K]
 *
 * Quotient, tanh (math/tanh.ts) and product are rounded. Reads and writes nothing outside the shape. Units:
 * rows.
 */
import { loadPartial, storePartial } from "../math/simd";
import { tanh4 } from "../math/tanh";

/** `count` elements. Not inlined: attention's scores go through it as well. */
export function softcap(x: usize, count: i32, cap: f32): void {
  const c = f32x4.splat(cap);
  // One copy of the function for whole vectors and the last one: it takes 700 bytes.
  for (let left = count; left > 0; left -= 4, x += 16) {
    const y = f32x4.mul(c, tanh4(f32x4.div(left >= 4 ? v128.load(x) : loadPartial(x, left), c)));
    if (left >= 4) v128.store(x, y);
    else storePartial(x, y, left);
  }
}

export function softcap_f32(x: usize, K: i32, cap: f32, begin: i32, end: i32): void {
  softcap(x + ((<usize>begin * K) << 2), (end - begin) * K, cap);
}
