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

/**
 * log(x) of positive normal floats, within 2 units in the last place or 2^-25, whichever is more (measured in
 * test/kernels/math.test.ts).
 *
 *   x = 2^e (1 + r), 1 + r in [sqrt 1/2, sqrt 2)      log(1 + r) = r - r^2 / 2 + r^3 P(r)
 *   P of degree 8 (coefficients: Cephes, logf)
 *
 * log(1) = 0 exactly. Anything else gives a finite number of no meaning.
 */
@inline
export function log4(x: v128): v128 {
  const e = i32x4.shr_s(i32x4.sub(x, i32x4.splat(0x3f3504f3)), 23); // bits of sqrt 1/2
  const r = f32x4.sub(i32x4.sub(x, i32x4.shl(e, 23)), f32x4.splat(1));
  const n = f32x4.convert_i32x4_s(e);
  let p = f32x4.add(f32x4.mul(f32x4.splat(7.0376836292e-2), r), f32x4.splat(-1.151461031e-1));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.167699874e-1));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(-1.2420140846e-1));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.4249322787e-1));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(-1.6668057665e-1));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(2.0000714765e-1));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(-2.4999993993e-1));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(3.3333331174e-1));
  const z = f32x4.mul(r, r);
  p = f32x4.mul(p, f32x4.mul(z, r));
  p = f32x4.add(p, f32x4.mul(n, f32x4.splat(-2.1219444e-4)));
  p = f32x4.sub(p, f32x4.mul(z, f32x4.splat(0.5)));
  return f32x4.add(f32x4.add(r, p), f32x4.mul(n, f32x4.splat(0.693359375)));
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
