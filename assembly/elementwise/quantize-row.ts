/**
 * Quantization of one row, shared by every kernel that makes integer activations: from floats as they lie, or
 * as a norm would make them.
 *
 *   PLAIN      a[k] = x[k]
 *   RMSNORM    a[k] = (x[k] * r) * weight[k]                         the last step of RMSNorm (rmsnorm.ts)
 *   LAYERNORM  a[k] = ((x[k] - mean) * r) * weight[k] + bias[k]
 *              the last step of LayerNorm (layernorm.ts); bias 0: none
 *
 *   absmaxRow    max_k |a[k]|
 *   quantizeRow  q[k] = clamp(roundHalfEven(a[k] / scale), -128, 127)
 *                sums[g] = -8 * sum of q[k] over the k of group g
 *   quantizeRow14  q[k] = clamp(roundHalfEven(a[k] / scale), -8191, 8191)
 *
 *   x, weight, bias  f32[K]
 *   q                i8[K]; i16[K] for 14 bits
 *   sums             i32[K/G]
 *   norm             one of the three, a literal; what its equation does not name is not looked at, and 0
 *
 * Preconditions: K % G == 0, G % 16 == 0. Reads and writes nothing outside the shapes.
 *
 * Why a[k] is made twice rather than kept: two products cost less than a store and a load, and no thread
 * needs a row of scratch. Why a true division: the last bit of x / scale decides ties, and other readers of
 * the checkpoint divide too. Why 8 bits write no clamp: the conversion and the two narrowings saturate. 14
 * bits need one only where a scale is subnormal, and so inexact. Why pmax: one instruction, where max handles
 * NaN and signed zeros in several. Why four maxima: one alone waits four cycles for each vector; four keep
 * the loads busy.
 */

/** Largest magnitude of a 14-bit activation: with a sign and 8192 added, it fits two planes of 7 bits. */
export const ACTIVATION_MAX_14: i32 = 8191;

export const PLAIN: i32 = 0;
export const RMSNORM: i32 = 1;
export const LAYERNORM: i32 = 2;

/** Four elements a[k]. `offset` in bytes. */
@inline
function element4(norm: i32, x: usize, weight: usize, bias: usize, mean: v128, r: v128, offset: usize): v128 {
  let value = v128.load(x + offset);
  if (norm == LAYERNORM) value = f32x4.sub(value, mean);
  if (norm != PLAIN) value = f32x4.mul(f32x4.mul(value, r), v128.load(weight + offset));
  if (norm == LAYERNORM && bias != 0) value = f32x4.add(value, v128.load(bias + offset));
  return value;
}

/** The same floats, `bytes` on. */
@inline
function next(bias: usize, bytes: usize): usize {
  return bias == 0 ? 0 : bias + bytes;
}


@inline
function round4(value: v128, scale: v128): v128 {
  return i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.div(value, scale)));
}

/** Sixteen elements, divided, rounded, saturated, stored at `q`; returns their partial sums in four lanes. */
@inline
function quantize16(norm: i32, x: usize, weight: usize, bias: usize, mean: v128, r: v128, q: usize, scale: v128): v128 {
  const a = round4(element4(norm, x, weight, bias, mean, r, 0), scale);
  const b = round4(element4(norm, x, weight, bias, mean, r, 16), scale);
  const c = round4(element4(norm, x, weight, bias, mean, r, 32), scale);
  const d = round4(element4(norm, x, weight, bias, mean, r, 48), scale);
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
  norm: i32,
  x: usize,
  weight: usize,
  bias: usize,
  mean: f32,
  r: f32,
  q: usize,
  sums: usize,
  K: i32,
  G: i32,
  scale: f32,
): void {
  const centre = f32x4.splat(mean);
  const factor = f32x4.splat(r);
  // Any divisor leaves the zeros of an all-zero row zero.
  const divisor = f32x4.splat(scale == 0 ? 1 : scale);
  for (const end = x + ((<usize>K) << 2); x < end; sums += 4) {
    let sum = i32x4.splat(0);
    for (const groupEnd = x + ((<usize>G) << 2); x < groupEnd; x += 64, q += 16) {
      sum = i32x4.add(sum, quantize16(norm, x, weight, bias, centre, factor, q, divisor));
      if (norm != PLAIN) weight += 64;
      if (norm == LAYERNORM) bias = next(bias, 64);
    }
    store<i32>(sums, -8 * horizontalSum(sum));
  }
}

/** Eight elements, divided, rounded, saturated. */
@inline
function quantize8(norm: i32, x: usize, weight: usize, bias: usize, mean: v128, r: v128, scale: v128): v128 {
  const a = round4(element4(norm, x, weight, bias, mean, r, 0), scale);
  const b = round4(element4(norm, x, weight, bias, mean, r, 16), scale);
  const words = i16x8.narrow_i32x4_s(a, b);
  return i16x8.max_s(i16x8.min_s(words, i16x8.splat(<i16>ACTIVATION_MAX_14)), i16x8.splat(<i16>-ACTIVATION_MAX_14));
}


@inline
export function quantizeRow14(
  norm: i32,
  x: usize,
  weight: usize,
  bias: usize,
  mean: f32,
  r: f32,
  q: usize,
  K: i32,
  scale: f32,
): void {
  const centre = f32x4.splat(mean);
  const factor = f32x4.splat(r);
  const divisor = f32x4.splat(scale == 0 ? 1 : scale);
  for (const end = x + ((<usize>K) << 2); x < end; x += 32, q += 16) {
    v128.store(q, quantize8(norm, x, weight, bias, centre, factor, divisor));
    if (norm != PLAIN) weight += 32;
    if (norm == LAYERNORM) bias = next(bias, 32);
  }
}


@inline
export function absmaxRow(norm: i32, x: usize, weight: usize, bias: usize, mean: f32, r: f32, K: i32): f32 {
  const centre = f32x4.splat(mean);
  const factor = f32x4.splat(r);
  let max = f32x4.splat(0),
    max1 = max,
    max2 = max,
    max3 = max;
  for (const end = x + ((<usize>K) << 2); x < end; x += 64) {
    max = f32x4.pmax(max, f32x4.abs(element4(norm, x, weight, bias, centre, factor, 0)));
    max1 = f32x4.pmax(max1, f32x4.abs(element4(norm, x, weight, bias, centre, factor, 16)));
    max2 = f32x4.pmax(max2, f32x4.abs(element4(norm, x, weight, bias, centre, factor, 32)));
    max3 = f32x4.pmax(max3, f32x4.abs(element4(norm, x, weight, bias, centre, factor, 48)));
    if (norm != PLAIN) weight += 64;
    if (norm == LAYERNORM) bias = next(bias, 64);
  }
  max = f32x4.pmax(f32x4.pmax(max, max1), f32x4.pmax(max2, max3));
  return Mathf.max(
    Mathf.max(f32x4.extract_lane(max, 0), f32x4.extract_lane(max, 1)),
    Mathf.max(f32x4.extract_lane(max, 2), f32x4.extract_lane(max, 3)),
  );
}

/**
 * One row of floats as they lie, with its scale: `scale`, or if that is 0 the row's own. `q`, `scaleAt` and
 * `sums` are the row's. Not inlined: one call for each row costs nothing, and seven kernels share it.
 */
export function quantizeFloats(x: usize, q: usize, scaleAt: usize, sums: usize, K: i32, G: i32, scale: f32): void {
  if (!(scale > 0)) scale = absmaxRow(PLAIN, x, 0, 0, 0, 0, K) / 127;
  store<f32>(scaleAt, scale);
  quantizeRow(PLAIN, x, 0, 0, 0, 0, q, sums, K, G, scale);
}
