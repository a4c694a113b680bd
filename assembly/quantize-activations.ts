/**
 * Quantization of activations: f32 rows to int8 rows, with the group sums that offset-binary weights need.
 *
 *   dynamic, per token    scale[m] = max_k |x[m,k]| / 127
 *   static, per tensor    scale[m] = scale, given (calibrated)
 *
 *   q[m,k]    = clamp(roundHalfEven(x[m,k] / scale[m]), -128, 127)
 *   sums[m,g] = -8 * sum of q[m,k] over the k of group g
 *
 *   x       f32[M, K]      rows follow one another
 *   q       i8[M, K]
 *   scales  f32[M]         0 for an all-zero row in the dynamic case; its q and sums are 0
 *   sums    i32[M, K/G]    the GEMM's accumulators start here, so that weights stored as q + 8 cost nothing
 *
 * Units of work: rows begin..end; pointers are those of row 0.
 * Preconditions: K % G == 0, G % 16 == 0, a static scale is finite and above 0. Any alignment; 16 bytes is fastest.
 * Reads and writes nothing outside the shapes.
 * A NaN element counts as zero; NaN is caught where the residual stream reaches the logits. An infinity makes a dynamic scale infinite,
 * which reaches the logits as NaN.
 *
 * Why a true division: the last bit of x / scale decides ties, and other readers of the checkpoint divide too.
 * Why -128 stays: other readers of the checkpoint clamp there. Only a static scale can reach it, with a value beyond calibration.
 * Why no clamp is written: the conversion and the two narrowings saturate.
 * Why pmax: one instruction, where max handles NaN and signed zeros in several.
 * Why four maxima: one alone waits four cycles for each vector; four keep the loads busy.
 */

/** Sixteen elements at `x`, divided, rounded, saturated, stored at `q`; returns their partial sums in four lanes. */
@inline
function quantize16(x: usize, q: usize, scale: v128): v128 {
  const low = i16x8.narrow_i32x4_s(round4(x, 0, scale), round4(x, 16, scale));
  const high = i16x8.narrow_i32x4_s(round4(x, 32, scale), round4(x, 48, scale));
  const bytes = i8x16.narrow_i16x8_s(low, high);
  v128.store(q, bytes);
  return i32x4.extadd_pairwise_i16x8_s(i16x8.extadd_pairwise_i8x16_s(bytes));
}


@inline
function round4(x: usize, offset: usize, scale: v128): v128 {
  return i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.div(v128.load(x + offset), scale)));
}


@inline
function horizontalSum(v: v128): i32 {
  return i32x4.extract_lane(v, 0) + i32x4.extract_lane(v, 1) + i32x4.extract_lane(v, 2) + i32x4.extract_lane(v, 3);
}


@inline
function quantizeRow(x: usize, q: usize, sums: usize, K: i32, G: i32, scale: f32): void {
  const divisor = f32x4.splat(scale);
  for (const end = x + ((<usize>K) << 2); x < end; sums += 4) {
    let sum = i32x4.splat(0);
    for (const groupEnd = x + ((<usize>G) << 2); x < groupEnd; x += 64, q += 16) {
      sum = i32x4.add(sum, quantize16(x, q, divisor));
    }
    store<i32>(sums, -8 * horizontalSum(sum));
  }
}


@inline
function absmaxRow(x: usize, K: i32): f32 {
  let max = f32x4.splat(0),
    max1 = max,
    max2 = max,
    max3 = max;
  for (const end = x + ((<usize>K) << 2); x < end; x += 64) {
    max = f32x4.pmax(max, f32x4.abs(v128.load(x)));
    max1 = f32x4.pmax(max1, f32x4.abs(v128.load(x, 16)));
    max2 = f32x4.pmax(max2, f32x4.abs(v128.load(x, 32)));
    max3 = f32x4.pmax(max3, f32x4.abs(v128.load(x, 48)));
  }
  max = f32x4.pmax(f32x4.pmax(max, max1), f32x4.pmax(max2, max3));
  return Mathf.max(
    Mathf.max(f32x4.extract_lane(max, 0), f32x4.extract_lane(max, 1)),
    Mathf.max(f32x4.extract_lane(max, 2), f32x4.extract_lane(max, 3)),
  );
}

/** Dynamic per-token quantization (FPTQ, section 3: layers whose range is v1 or more). */
export function quantize_f32_qd8(x: usize, q: usize, scales: usize, sums: usize, K: i32, G: i32, begin: i32, end: i32): void {
  const groups = K / G;
  for (let m = <usize>begin; m < <usize>end; m++) {
    const row = x + ((m * K) << 2);
    const scale = absmaxRow(row, K) / 127;
    store<f32>(scales + (m << 2), scale);
    // Any divisor leaves zeros zero.
    quantizeRow(row, q + m * K, sums + ((m * groups) << 2), K, G, scale == 0 ? 1 : scale);
  }
}

/** Static per-tensor quantization (FPTQ, section 3: layers whose range is below v1). Out-of-range values saturate. */
export function quantize_f32_qs8(
  x: usize,
  q: usize,
  scales: usize,
  sums: usize,
  K: i32,
  G: i32,
  scale: f32,
  begin: i32,
  end: i32,
): void {
  const groups = K / G;
  for (let m = <usize>begin; m < <usize>end; m++) {
    store<f32>(scales + (m << 2), scale);
    quantizeRow(x + ((m * K) << 2), q + m * K, sums + ((m * groups) << 2), K, G, scale);
  }
}
