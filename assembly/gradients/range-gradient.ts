/**
 * Values as a static int8 range leaves them, the gradient of a loss with respect to the logarithm of its
 * scale, and what of the gradient reaches the values that were rounded: LSQ (Esser et al. 2020, Equations 2
 * and 3) with codes of int8. Rounding counts as if it were not there, the range as what it is:
 *
 *   u = x / scale      r = roundHalfEven(u)      c = clamp(r, -128, 127)      y = scale * c
 *
 *   within the range (c = r)   dy/dx = 1      dy/dscale = r - u
 *   beyond it                  dy/dx = 0      dy/dscale = c
 *
 *   round_range_f32      y[m,k] = scale * c
 *   range_gradient_f32   dx[m,k]  <- dx[m,k] within the range, 0 beyond it
 *                        sums[m]  = scale * sum over k of dx[m,k] * dy/dscale
 *
 *   x, y, dx  rows of K f32, `stride` elements apart: what was rounded, to what (y may be x), and the
 *             gradient of y
 *   sums      f64[M], written
 *
 * Order of the sum: in f64, element k belongs to lane k mod 4, ascending; then lanes (0 + 1) + (2 + 3).
 * Preconditions: K a multiple of 4, scale > 0, x finite. Reads and writes nothing outside the shapes. Units:
 * rows.
 */
import { sumWideLanes, widenHigh, widenLow } from "../math/simd";

/** c, of x / scale rounded. */
@inline
function clamp(r: v128): v128 {
  return f32x4.pmax(f32x4.pmin(r, f32x4.splat(127)), f32x4.splat(-128));
}

export function round_range_f32(x: usize, y: usize, K: i32, stride: i32, scale: f32, begin: i32, end: i32): void {
  const row = (<usize>stride) << 2,
    bytes = (<usize>K) << 2;
  const step = f32x4.splat(scale);
  for (let m = <usize>begin; m < <usize>end; m++) {
    for (let i = m * row; i < m * row + bytes; i += 16) {
      const code = clamp(f32x4.nearest(f32x4.div(v128.load(x + i), step)));
      v128.store(y + i, f32x4.mul(code, step));
    }
  }
}

export function range_gradient_f32(
  x: usize,
  dx: usize,
  sums: usize,
  K: i32,
  stride: i32,
  scale: f32,
  begin: i32,
  end: i32,
): void {
  const row = (<usize>stride) << 2,
    bytes = (<usize>K) << 2;
  const divisor = f32x4.splat(scale);
  for (let m = <usize>begin; m < <usize>end; m++) {
    const from = x + m * row,
      gradient = dx + m * row;
    let low = f64x2.splat(0),
      high = low;
    for (let i: usize = 0; i < bytes; i += 16) {
      const u = f32x4.div(v128.load(from + i), divisor);
      const r = f32x4.nearest(u);
      const c = clamp(r);
      const within = f32x4.eq(c, r);
      const d = v128.load(gradient + i);
      const slope = v128.bitselect(f32x4.sub(r, u), c, within);
      low = f64x2.add(low, f64x2.mul(widenLow(d), widenLow(slope)));
      high = f64x2.add(high, f64x2.mul(widenHigh(d), widenHigh(slope)));
      v128.store(gradient + i, v128.and(d, within));
    }
    store<f64>(sums + (m << 3), sumWideLanes(low, high) * <f64>scale);
  }
}
