/**
 * GELU (Hendrycks and Gimpel 2016), exact and with tanh, four lanes at a time, as a ramp less a tail that is
 * computed directly, so that nothing cancels below zero. With t = |x|:
 *
 *   x/2 (1 + erf(x / sqrt 2))  = max(x, 0) - t Phi(-t)
 *                              Phi(-t) = erfc(t / sqrt 2) / 2 = exp(-t^2/2) N(t) / D(t)
 *   x/2 (1 + tanh(v / 2))      = max(x, 0) - t e / (1 + e)
 *                              v = sqrt(8 / pi) (x + 0.044715 x^3),  e = exp(-|v|)
 *
 * N/D is the minimax rational function of degrees 4 and 5 of Phi(-t) exp(t^2/2) on [0, 14.5] with N(0)/D(0) =
 * 1/2; its relative error is 2^-26.6. All coefficients are positive. Exponents, times log2 e, are computed in
 * f64 (exp2-wide.ts): they reach 150, and what they lose is lost of the result.
 *
 * Relative error, u = 2^-24. Exact: N 8 u and D 10 u, two roundings a step; the power 2.3 u; two products and
 * a division 3 u; N/D itself 0.2 u: the tail is within 24 u. With tanh: the power, 1 + e, two products, a
 * division: 7 u. Above zero the tail is at most half of x; the subtraction adds u. A subnormal result has one
 * more rounding. Largest errors found, over every 4999th float, in units in the last place: exact 5.9, with
 * tanh 2.7.
 *
 * NaN stays NaN; 0, -0 and infinity stay. -inf, and all below -14.4 (exact) or -10.8 (tanh), where the true
 * value is no float, give -0: the limit, where the formula itself has -inf * 0, which is NaN.
 */
import { exp2Exponent4, exp2Fraction4 } from "./exp2-wide";
import { powerOfTwo } from "./math";
import { widenHigh, widenLow } from "./simd";

export const GELU_N0: f32 = 0.5;
export const GELU_N1: f32 = 0.434901005687;
export const GELU_N2: f32 = 0.180625096289;
export const GELU_N3: f32 = 0.0397260571011;
export const GELU_N4: f32 = 0.00397405180409;
export const GELU_D1: f32 = 1.66768672506;
export const GELU_D2: f32 = 1.19186918118;
export const GELU_D3: f32 = 0.462557708023;
export const GELU_D4: f32 = 0.099585632734;
export const GELU_D5: f32 = 0.00996133504088;
/** From here on both tails are 0, and their exponents still within what exp2-wide.ts takes. */
export const GELU_FARTHEST: f32 = 14.5;
export const GELU_TANH_FARTHEST: f32 = 12;
/** -log2(e) / 2 */
export const GELU_SQUARE: f64 = -0.7213475204444817;
/** -sqrt(8 / pi) log2(e), and 0.044715 times it. */
export const GELU_TANH_LINEAR: f64 = -2.302208198144325;
export const GELU_TANH_CUBIC: f64 = -0.1029432395800235;

/** max(x, 0), and -0 for what is below. `pmax` keeps a NaN in its first operand. */
@inline
function ramp(x: v128): v128 {
  return f32x4.pmax(x, f32x4.splat(-0.0));
}


@inline
function squareExponent(t: v128): v128 {
  return f64x2.mul(f64x2.mul(t, t), f64x2.splat(GELU_SQUARE));
}


@inline
export function gelu4(x: v128): v128 {
  const t = f32x4.pmin(f32x4.abs(x), f32x4.splat(GELU_FARTHEST));
  let n = f32x4.add(f32x4.mul(t, f32x4.splat(GELU_N4)), f32x4.splat(GELU_N3));
  n = f32x4.add(f32x4.mul(n, t), f32x4.splat(GELU_N2));
  n = f32x4.add(f32x4.mul(n, t), f32x4.splat(GELU_N1));
  n = f32x4.add(f32x4.mul(n, t), f32x4.splat(GELU_N0));
  let d = f32x4.add(f32x4.mul(t, f32x4.splat(GELU_D5)), f32x4.splat(GELU_D4));
  d = f32x4.add(f32x4.mul(d, t), f32x4.splat(GELU_D3));
  d = f32x4.add(f32x4.mul(d, t), f32x4.splat(GELU_D2));
  d = f32x4.add(f32x4.mul(d, t), f32x4.splat(GELU_D1));
  d = f32x4.add(f32x4.mul(d, t), f32x4.splat(1));

  const low = squareExponent(widenLow(t));
  const high = squareExponent(widenHigh(t));
  const exponent = exp2Exponent4(low, high);
  const first = i32x4.shr_s(exponent, 1);
  const power = f32x4.mul(exp2Fraction4(low, high), powerOfTwo(first));
  const tail = f32x4.mul(f32x4.div(f32x4.mul(t, n), d), power);
  return f32x4.sub(ramp(x), f32x4.mul(tail, powerOfTwo(i32x4.sub(exponent, first))));
}


@inline
function cubicExponent(t: v128): v128 {
  const cubic = f64x2.mul(f64x2.mul(t, t), f64x2.splat(GELU_TANH_CUBIC));
  return f64x2.mul(f64x2.add(cubic, f64x2.splat(GELU_TANH_LINEAR)), t);
}


@inline
export function geluTanh4(x: v128): v128 {
  const t = f32x4.pmin(f32x4.abs(x), f32x4.splat(GELU_TANH_FARTHEST));
  const low = cubicExponent(widenLow(t));
  const high = cubicExponent(widenHigh(t));
  const exponent = exp2Exponent4(low, high);
  const first = i32x4.shr_s(exponent, 1);
  const power = f32x4.mul(exp2Fraction4(low, high), powerOfTwo(first));
  const rest = powerOfTwo(i32x4.sub(exponent, first));
  const tail = f32x4.div(f32x4.mul(t, power), f32x4.add(f32x4.splat(1), f32x4.mul(power, rest)));
  return f32x4.sub(ramp(x), f32x4.mul(tail, rest));
}

/** max(x, 0); NaN stays NaN, and -0 stays. */
@inline
export function relu4(x: v128): v128 {
  return f32x4.pmax(x, f32x4.splat(0));
}
