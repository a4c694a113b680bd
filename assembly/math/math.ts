/**
 * Elementary functions in f32, four lanes at a time, made of exactly rounded operations only: their bits are
 * the same on every engine.
 */

/**
 * exp(x) within 1 unit in the last place (largest error found 0.991, over every fifth float), gradual
 * underflow included.
 *
 *   n = round(x / ln 2)      x = n ln 2 + r, |r| <= ln 2 / 2
 *   exp(x) = 2^n exp(r)      exp(r) = 1 + r + r^2 P(r), P of degree 5 (coefficients: Cephes, expf)
 *
 * exp(0) = 1 exactly, exp(-inf) = 0, overflow gives infinity, NaN stays NaN.
 *
 * Why ln 2 in two parts: n * LN2_HIGH is exact (9 bits times 8), so r loses nothing without a fused multiply.
 * Why a magic number: adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits, where a
 * conversion would check for NaN. Why 2^n in two factors: n reaches from -150 to 128, more than one exponent
 * field holds; the second product rounds once to a subnormal.
 */
@inline
export function exp4(x: v128): v128 {
  const clamped = f32x4.pmax(f32x4.pmin(x, f32x4.splat(89)), f32x4.splat(-104));
  const magic = f32x4.splat(12582912);
  const shifted = f32x4.add(f32x4.mul(clamped, f32x4.splat(1.44269504)), magic);
  const n = f32x4.sub(shifted, magic);
  let r = f32x4.sub(clamped, f32x4.mul(n, f32x4.splat(0.693359375)));
  r = f32x4.sub(r, f32x4.mul(n, f32x4.splat(-2.1219444e-4)));

  let p = f32x4.add(f32x4.mul(f32x4.splat(1.98756915e-4), r), f32x4.splat(1.39819995e-3));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(8.33345191e-3));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(4.16657959e-2));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.66666655e-1));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(5.00000012e-1));
  p = f32x4.add(f32x4.add(f32x4.mul(p, f32x4.mul(r, r)), r), f32x4.splat(1));

  const exponent = i32x4.sub(shifted, magic);
  const first = i32x4.shr_s(exponent, 1);
  return f32x4.mul(f32x4.mul(p, powerOfTwo(first)), powerOfTwo(i32x4.sub(exponent, first)));
}

/** 2^n for n in -126..127. */
@inline
export function powerOfTwo(n: v128): v128 {
  return i32x4.shl(i32x4.add(n, i32x4.splat(127)), 23);
}

/**
 * silu(x) = x / (1 + exp(-x)). Below -88.7, where exp(-x) is no float and the true value is above -3e-37, it
 * is -0. NaN stays NaN, and -inf gives NaN, as in Hugging Face.
 */
@inline
export function silu4(x: v128): v128 {
  return f32x4.div(x, f32x4.add(f32x4.splat(1), exp4(f32x4.neg(x))));
}
