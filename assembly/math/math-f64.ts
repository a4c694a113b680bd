/**
 * Elementary functions in f64, for what is computed seldom (RoPE tables, losses) and then rounded to f32 or
 * summed. Power series with their coefficients written out; no tables, so no static data.
 */

/**
 * exp(x) for |x| < 700, error below 2 units in the last place. |r| <= ln 2 / 2; the first term left out,
 * r^14/14!, is below 2^-57.
 */
@inline
export function exp(x: f64): f64 {
  const n = nearest<f64>(x * 1.4426950408889634);
  const r = x - n * LN2_HIGH - n * LN2_LOW;
  let sum: f64 = 1;
  for (let i = 13; i > 0; i--) sum = 1 + (r / <f64>i) * sum;
  return sum * reinterpret<f64>((<i64>n + 1023) << 52);
}

/**
 * log(x) for positive normal x, error below 2 units in the last place.
 * x = 2^e m with m in [sqrt 1/2, sqrt 2); log m = 2 atanh(s), s = (m - 1) / (m + 1), |s| < 0.1716;
 * the first term left out, 2 s^23/23, is below 2^-61. NaN and infinity pass through.
 */
export function log(x: f64): f64 {
  if (!(x < Infinity)) return x;
  const SQRT_HALF: u64 = 0x3fe6a09e667f3bcd;
  const bits = reinterpret<u64>(x);
  const e = (<i64>(bits - SQRT_HALF)) >> 52;
  const m = reinterpret<f64>(bits - ((<u64>e) << 52));
  const s = (m - 1) / (m + 1);
  const z = s * s;
  let sum: f64 = 0;
  for (let i = 21; i > 0; i -= 2) sum = sum * z + 1 / <f64>i;
  return <f64>e * LN2_HIGH + (2 * s * sum + <f64>e * LN2_LOW);
}

/**
 * x = n pi/2 + r, |r| <= pi/4, for |x| <= 2^24: returns r; `quadrant(x)` is n. pi/2 in three parts, the first
 * two of 29 bits, so that n times each is exact; the absolute error of r is below 2^-52.
 */
export function reduceToQuadrant(x: f64): f64 {
  const n = quadrant(x);
  return x - n * 1.570796325802803 - n * 9.920935774287987e-10 - n * 2.2517417741562176e-18;
}

export function quadrant(x: f64): f64 {
  return nearest<f64>(x * 0.6366197723675814);
}

/** sin(r), |r| <= pi/4: r - r^3/3! + ... - r^15/15!; the first term left out, r^17/17!, is below 2^-54. */
export function sinQuadrant(r: f64): f64 {
  const z = -(r * r);
  let sum: f64 = 1.0 / 1307674368000.0;
  sum = sum * z + 1.0 / 6227020800.0;
  sum = sum * z + 1.0 / 39916800.0;
  sum = sum * z + 1.0 / 362880.0;
  sum = sum * z + 1.0 / 5040.0;
  sum = sum * z + 1.0 / 120.0;
  sum = sum * z + 1.0 / 6.0;
  return r * (sum * z) + r;
}

/** cos(r), |r| <= pi/4: 1 - r^2/2! + ... + r^16/16!; the first term left out, r^18/18!, is below 2^-58. */
export function cosQuadrant(r: f64): f64 {
  const z = -(r * r);
  let sum: f64 = 1.0 / 20922789888000.0;
  sum = sum * z + 1.0 / 87178291200.0;
  sum = sum * z + 1.0 / 479001600.0;
  sum = sum * z + 1.0 / 3628800.0;
  sum = sum * z + 1.0 / 40320.0;
  sum = sum * z + 1.0 / 720.0;
  sum = sum * z + 1.0 / 24.0;
  sum = sum * z + 1.0 / 2.0;
  return sum * z + 1;
}

/** ln 2 in two parts; the first has 32 bits, so that its product with an exponent is exact. */
@inline const LN2_HIGH: f64 = 0.6931471803691238;


@inline const LN2_LOW: f64 = 1.9082149292705877e-10;
