/**
 * 2^s for s in f64, |s| < 252, rounded to f32: an f32 that holds a large s is off by up to 2^-18, and so is
 * the power, relatively.
 *
 *   s = n + f,  n = roundHalfEven(s),  2^s = 2^n * P(f)
 *   P(f) = 1 + f (c1 + f (c2 + f (c3 + f (c4 + f (c5 + f c6)))))
 *
 * P is the minimax polynomial of degree 6 of 2^f on [-1/2, 1/2] with P(0) = 1; its relative error is 2^-28.5,
 * and with the roundings of f32 below 2.3 * 2^-24: one of the last sum, and of f, of c1 + .. and of their
 * product together
 * 1.2, since f (c1 + ..) is at most 0.42 of P. Where s is an integer the power is exact.
 *
 * In two parts, n and P(f), so that a caller multiplies its own factor in before the powers of two: a
 * subnormal is then rounded once. n reaches past what one exponent field holds, so it goes in by halves:
 * powerOfTwo(n >> 1), then powerOfTwo(n - (n >> 1)).
 *
 * Adding 1.5 * 2^52 rounds s to an integer and leaves it, modulo 2^32, in the low half of the sum's bits.
 */
export const EXP2_WIDE_SHIFTER: f64 = 6755399441055744;
export const EXP2_WIDE_C1: f32 = 0.693147214969;
export const EXP2_WIDE_C2: f32 = 0.240226527831;
export const EXP2_WIDE_C3: f32 = 0.0555031054958;
export const EXP2_WIDE_C4: f32 = 0.009617692935;
export const EXP2_WIDE_C5: f32 = 0.0013406644344;
export const EXP2_WIDE_C6: f32 = 0.000155946896344;


@inline
function shift(s: v128): v128 {
  return f64x2.add(s, f64x2.splat(EXP2_WIDE_SHIFTER));
}


@inline
function fraction(s: v128): v128 {
  return f64x2.sub(s, f64x2.sub(shift(s), f64x2.splat(EXP2_WIDE_SHIFTER)));
}

/** n, four i32, of s in two vectors. */
@inline
export function exp2Exponent4(low: v128, high: v128): v128 {
  return i32x4.shuffle(shift(low), shift(high), 0, 2, 4, 6);
}

/** P(f), four f32. */
@inline
export function exp2Fraction4(low: v128, high: v128): v128 {
  const f = i64x2.shuffle(f32x4.demote_f64x2_zero(fraction(low)), f32x4.demote_f64x2_zero(fraction(high)), 0, 2);
  let p = f32x4.add(f32x4.mul(f, f32x4.splat(EXP2_WIDE_C6)), f32x4.splat(EXP2_WIDE_C5));
  p = f32x4.add(f32x4.mul(p, f), f32x4.splat(EXP2_WIDE_C4));
  p = f32x4.add(f32x4.mul(p, f), f32x4.splat(EXP2_WIDE_C3));
  p = f32x4.add(f32x4.mul(p, f), f32x4.splat(EXP2_WIDE_C2));
  p = f32x4.add(f32x4.mul(p, f), f32x4.splat(EXP2_WIDE_C1));
  return f32x4.add(f32x4.mul(p, f), f32x4.splat(1));
}
