/**
 * LayerNorm (Ba, Kiros and Hinton 2016, equation 4), in two passes.
 *
 *   mean = sum of x[k] / K      r = 1 / sqrt(sum of (x[k] - mean)^2 / K + eps)
 *   y[k] = ((x[k] - mean) * r) * weight[k] + bias[k]
 *
 *   x, y          f32[M, K]   y may be x; or `heads` heads of D at the start of rows of `stride` floats, in
 *                             place
 *   weight, bias  f32[K]      bias 0: none is added, not even a zero; f32[heads, D] for heads, without bias
 *
 * Order of the sums: sum-row.ts. Square root and divisions are exact (IEEE), so all bits are fixed.
 * Units: rows; pointers are those of row 0. Reads and writes nothing outside the shapes.
 * A row whose squares overflow gives its bias (zeros without one); one with NaN or an infinity, or whose sum
 * overflows, gives NaN.
 *
 * Why two passes: the sum of squares less K mean^2 loses every digit of a row that lies far from zero, as
 * some channels of a residual stream do.
 */
import { loadPartial, storePartial } from "../math/simd";
import { CENTRED_SQUARES, sumRow, VALUES } from "./sum-row";

/**
 * Not inlined, as `reciprocalDeviation`: one call for each row costs nothing, and three kernels share them.
 */
export function meanRow(x: usize, K: i32): f32 {
  return sumRow(VALUES, x, K, f32x4.splat(0)) / <f32>K;
}

/** r of f32[K] at x. */
export function reciprocalDeviation(x: usize, K: i32, mean: f32, eps: f32): f32 {
  return 1 / sqrt<f32>(sumRow(CENTRED_SQUARES, x, K, f32x4.splat(mean)) / <f32>K + eps);
}

/** One row of K. Not inlined: one call for each costs nothing, and two kernels share it. */
function normalize(x: usize, weight: usize, bias: usize, y: usize, K: i32, eps: f32): void {
  const average = meanRow(x, K);
  const mean = f32x4.splat(average);
  const r = f32x4.splat(reciprocalDeviation(x, K, average, eps));
  const whole = (<usize>(K & ~3)) << 2;
  for (let i: usize = 0; i < whole; i += 16) {
    let value = f32x4.mul(f32x4.mul(f32x4.sub(v128.load(x + i), mean), r), v128.load(weight + i));
    if (bias != 0) value = f32x4.add(value, v128.load(bias + i));
    v128.store(y + i, value);
  }
  const rest = K & 3;
  let value = f32x4.mul(f32x4.mul(f32x4.sub(loadPartial(x + whole, rest), mean), r), loadPartial(weight + whole, rest));
  if (bias != 0) value = f32x4.add(value, loadPartial(bias + whole, rest));
  storePartial(y + whole, value, rest);
}

export function layernorm_f32(
  x: usize,
  weight: usize,
  bias: usize,
  y: usize,
  M: i32,
  K: i32,
  eps: f32,
  begin: i32,
  end: i32,
): void {
  const row = (<usize>K) << 2;
  for (let m = <usize>begin; m < <usize>end; m++) normalize(x + m * row, weight, bias, y + m * row, K, eps);
}

/** In place, each head by its own weights (Cohere, StableLM). Units: rows. */
export function layernorm_heads_f32(
  x: usize,
  weight: usize,
  heads: i32,
  D: i32,
  stride: i32,
  eps: f32,
  begin: i32,
  end: i32,
): void {
  const bytes = (<usize>D) << 2;
  for (let m = <usize>begin; m < <usize>end; m++) {
    const row = x + ((m * stride) << 2);
    for (let h: usize = 0; h < <usize>heads; h++) {
      normalize(row + h * bytes, weight + h * bytes, 0, row + h * bytes, D, eps);
    }
  }
}
