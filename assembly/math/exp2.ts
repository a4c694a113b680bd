/**
 * 2^t for t <= 0, the only exponential that attention needs: log2(e) is folded into the scale of the scores,
 * so that softmax is a ratio of powers of two and the reduction of the argument by ln 2 disappears.
 *
 *   t = n + f,  n = roundHalfEven(t),  2^t = 2^n * P(f),  P(f) = 1 + f (c1 + f (c2 + f (c3 + f (c4 + f c5))))
 *
 * P is the minimax polynomial of degree 5 of 2^f on [-1/2, 1/2] with P(0) = 1, so that 2^0 is exactly 1; its
 * relative error is 2^-23.4 and that of the whole, with the roundings of f32, 2^-22.3 (every 37th float of
 * [-126, 0] tried). Never above 1. Below -126.5 the result is exactly 0: a masked score, -infinity,
 * contributes nothing to a sum. NaN gives NaN.
 *
 * Adding 1.5 * 2^23 + 127 rounds t to an integer and leaves n + 127, the exponent of 2^n, in the low bits of
 * the sum.
 */
export const EXP2_SHIFTER: f32 = 12582912.0 + 127.0;
/** Below this the exponent field of 2^n is 0, and so is 2^n. */
export const EXP2_LOWEST: f32 = -127.0;
export const EXP2_C1: f32 = 0.6931470036506653;
export const EXP2_C2: f32 = 0.24022242426872253;
export const EXP2_C3: f32 = 0.05550733581185341;
export const EXP2_C4: f32 = 0.009671512991189957;
export const EXP2_C5: f32 = 0.001326472731307149;

export const LOG2E: f32 = 1.4426950408889634;

/** Four at once. `pmax` keeps a NaN in its first operand. */
@inline
export function exp2x4(t: v128): v128 {
  t = f32x4.pmax(t, f32x4.splat(EXP2_LOWEST));
  const shifted = f32x4.add(t, f32x4.splat(EXP2_SHIFTER));
  const f = f32x4.sub(t, f32x4.sub(shifted, f32x4.splat(EXP2_SHIFTER)));
  let p = f32x4.add(f32x4.mul(f, f32x4.splat(EXP2_C5)), f32x4.splat(EXP2_C4));
  p = f32x4.add(f32x4.mul(p, f), f32x4.splat(EXP2_C3));
  p = f32x4.add(f32x4.mul(p, f), f32x4.splat(EXP2_C2));
  p = f32x4.add(f32x4.mul(p, f), f32x4.splat(EXP2_C1));
  p = f32x4.add(f32x4.mul(p, f), f32x4.splat(1));
  return f32x4.mul(p, i32x4.shl(shifted, 23));
}
