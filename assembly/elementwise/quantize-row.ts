/**
 * Quantization of one row, shared by every kernel that makes integer activations: from floats as they lie, or as a norm would make them.
 *
 *   a[k] = x[k]      or, where `normed`,      a[k] = (x[k] * r) * weight[k]          the last step of RMSNorm (rmsnorm.ts)
 *
 *   absmaxRow    max_k |a[k]|
 *   quantizeRow  q[k] = clamp(roundHalfEven(a[k] / scale), -128, 127)      sums[g] = -8 * sum of q[k] over the k of group g
 *   quantizeRow14  q[k] = clamp(roundHalfEven(a[k] / scale), -8191, 8191)
 *
 *   x, weight  f32[K]
 *   q          i8[K]; i16[K] for 14 bits
 *   sums       i32[K/G]
 *   normed     a literal; where it is false, r and weight are not looked at
 *
 * Preconditions: K % G == 0, G % 16 == 0. Reads and writes nothing outside the shapes.
 *
 * Why a[k] is made twice rather than kept: two products cost less than a store and a load, and no thread needs a row of scratch.
 * Why a true division: the last bit of x / scale decides ties, and other readers of the checkpoint divide too.
 * Why 8 bits write no clamp: the conversion and the two narrowings saturate. 14 bits need one only where a scale is subnormal, and so inexact.
 * Why pmax: one instruction, where max handles NaN and signed zeros in several.
 * Why four maxima: one alone waits four cycles for each vector; four keep the loads busy.
 */

/** Largest magnitude of a 14-bit activation: with a sign and 8192 added, it fits two planes of 7 bits. */
export const ACTIVATION_MAX_14: i32 = 8191;

/** Four elements a[k]. `offset` in bytes. */
@inline
function element4(normed: bool, x: usize, weight: usize, r: v128, offset: usize): v128 {
  const value = v128.load(x + offset);
  return normed ? f32x4.mul(f32x4.mul(value, r), v128.load(weight + offset)) : value;
}


@inline
function round4(value: v128, scale: v128): v128 {
  return i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.div(value, scale)));
}

/** Sixteen elements, divided, rounded, saturated, stored at `q`; returns their partial sums in four lanes. */
@inline
function quantize16(normed: bool, x: usize, weight: usize, r: v128, q: usize, scale: v128): v128 {
  const a = round4(element4(normed, x, weight, r, 0), scale);
  const b = round4(element4(normed, x, weight, r, 16), scale);
  const c = round4(element4(normed, x, weight, r, 32), scale);
  const d = round4(element4(normed, x, weight, r, 48), scale);
  const bytes = i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, d));
  v128.store(q, bytes);
  return i32x4.extadd_pairwise_i16x8_s(i16x8.extadd_pairwise_i8x16_s(bytes));
}


@inline
function horizontalSum(v: v128): i32 {
  return i32x4.extract_lane(v, 0) + i32x4.extract_lane(v, 1) + i32x4.extract_lane(v, 2) + i32x4.extract_lane(v, 3);
}


@inline
export function quantizeRow(
  normed: bool,
  x: usize,
  weight: usize,
  r: f32,
  q: usize,
  sums: usize,
  K: i32,
  G: i32,
  scale: f32,
): void {
  const factor = f32x4.splat(r);
  // Any divisor leaves the zeros of an all-zero row zero.
  const divisor = f32x4.splat(scale == 0 ? 1 : scale);
  for (const end = x + ((<usize>K) << 2); x < end; sums += 4) {
    let sum = i32x4.splat(0);
    for (const groupEnd = x + ((<usize>G) << 2); x < groupEnd; x += 64, q += 16) {
      sum = i32x4.add(sum, quantize16(normed, x, weight, factor, q, divisor));
      if (normed) weight += 64;
    }
    store<i32>(sums, -8 * horizontalSum(sum));
  }
}

/** Eight elements, divided, rounded, saturated. */
@inline
function quantize8(normed: bool, x: usize, weight: usize, r: v128, scale: v128): v128 {
  const a = round4(element4(normed, x, weight, r, 0), scale);
  const b = round4(element4(normed, x, weight, r, 16), scale);
  const words = i16x8.narrow_i32x4_s(a, b);
  return i16x8.max_s(i16x8.min_s(words, i16x8.splat(<i16>ACTIVATION_MAX_14)), i16x8.splat(<i16>-ACTIVATION_MAX_14));
}


@inline
export function quantizeRow14(normed: bool, x: usize, weight: usize, r: f32, q: usize, K: i32, scale: f32): void {
  const factor = f32x4.splat(r);
  const divisor = f32x4.splat(scale == 0 ? 1 : scale);
  for (const end = x + ((<usize>K) << 2); x < end; x += 32, q += 16) {
    v128.store(q, quantize8(normed, x, weight, factor, divisor));
    if (normed) weight += 32;
  }
}


@inline
export function absmaxRow(normed: bool, x: usize, weight: usize, r: f32, K: i32): f32 {
  const factor = f32x4.splat(r);
  let max = f32x4.splat(0),
    max1 = max,
    max2 = max,
    max3 = max;
  for (const end = x + ((<usize>K) << 2); x < end; x += 64) {
    max = f32x4.pmax(max, f32x4.abs(element4(normed, x, weight, factor, 0)));
    max1 = f32x4.pmax(max1, f32x4.abs(element4(normed, x, weight, factor, 16)));
    max2 = f32x4.pmax(max2, f32x4.abs(element4(normed, x, weight, factor, 32)));
    max3 = f32x4.pmax(max3, f32x4.abs(element4(normed, x, weight, factor, 48)));
    if (normed) weight += 64;
  }
  max = f32x4.pmax(f32x4.pmax(max, max1), f32x4.pmax(max2, max3));
  return Mathf.max(
    Mathf.max(f32x4.extract_lane(max, 0), f32x4.extract_lane(max, 1)),
    Mathf.max(f32x4.extract_lane(max, 2), f32x4.extract_lane(max, 3)),
  );
}
