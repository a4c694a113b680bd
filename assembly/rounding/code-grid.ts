/**
 * The codes a weight may round to, told by the largest of them:
 *
 *   top 7, 127    -top - 1 .. top                                   integers of 4 and 8 bits
 *   top 12        0, 1, 2, 3, 4, 6, 8, 12 and their negatives
 *                 twice E2M1, the 4-bit float, with a scale half of its own
 *
 * Nearest, ties to even codes; both kinds of grid by the same steps. Adding and taking away 1.5 * 2^p leaves
 * a multiple of the last place there: of 1 for integers, and for floats of half the power of two below |t|,
 * but at least 1.
 */

/** Twice the largest E2M1. */
const E2M1_TOP: i32 = 12;


@inline
export function lowestCode(top: i32): i32 {
  return top == E2M1_TOP ? -top : -top - 1;
}

/** What `roundCodes` masks the exponent out of t with. */
@inline
export function exponentMask(top: i32): v128 {
  return i32x4.splat(top == E2M1_TOP ? 0x7f800000 : 0);
}

/** The codes nearest to t, within low .. high. */
@inline
export function roundCodes(t: v128, low: v128, high: v128, exponents: v128): v128 {
  t = f32x4.pmax(f32x4.pmin(t, high), low);
  const magic = f32x4.mul(f32x4.pmax(v128.and(t, exponents), f32x4.splat(2)), f32x4.splat(6291456)); // 1.5 * 2^22
  return f32x4.sub(f32x4.add(t, magic), magic);
}

/**
 * The code nearest to t. A call, for the size of the module: it is made once for each product with a row of a
 * Hessian.
 */
export function roundCode(t: f64, top: i32): f64 {
  t = max<f64>(min<f64>(t, <f64>top), <f64>lowestCode(top));
  const exponent = top == E2M1_TOP ? reinterpret<i64>(t) & 0x7ff0000000000000 : 0;
  const magic = max<f64>(reinterpret<f64>(exponent), 2) * 3377699720527872; // 1.5 * 2^51
  return t + magic - magic;
}
