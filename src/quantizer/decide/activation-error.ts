/**
 * What int8 activations cost at the output of the linears that read them, measured on rows of the
 * calibration, each token relative to the size of its own input, so that a few tokens of massive activations
 * do not hide what becomes of all others:
 *
 *   sum over rows w of w C w^T / sum over rows w of w S w^T
 *   C = mean over tokens of d d^T / |x|^2      S = mean of x x^T / |x|^2
 *
 * x the equalized input, d = x - Q(x); once with one scale for all tokens (static), once with a scale for
 * each (dynamic).
 */
import { OutputError } from "../round/output-error.ts";
import { factorStride, type GptqMemory, rowsOfBlock } from "../round/rounding-memory.ts";

/** Relative to the output, as said above. */
export interface ActivationErrors {
  readonly static: number;
  readonly dynamic: number;
}

/** Rounding of f64 to the nearest integer, ties to even, by adding and taking away 1.5 * 2^52. */
const ROUND = 1.5 * 2 ** 52;

/** Rows of an input. */
export interface ActivationRows {
  /** f32[tokens, K] as calibration saw them. */
  readonly x: Float32Array;
  readonly K: number;
  /** s of the equalization, f32[K]; undefined for none. */
  readonly factors: Float32Array | undefined;
}

/**
 * @param scale the static scale, after equalization
 * @param weights of all modules at the input, equalized, f32[rows, K] each
 */
export function activationErrors(
  memory: GptqMemory,
  rows: ActivationRows,
  scale: number,
  weights: readonly Float32Array[],
): ActivationErrors {
  const measure = (change: (row: Float32Array) => void) => {
    const gram = tokenGram(memory, rows, change);
    const error = OutputError.load(memory, { K: rows.K, tokens: rows.x.length / rows.K, gram });
    return weights.reduce((sum, weight) => sum + error.of(weight), 0);
  };
  const signal = measure(() => {}) || 1;
  const absmax = (row: Float32Array) => row.reduce((high, value) => Math.max(high, Math.abs(value)), 0);
  return {
    static: measure((row) => keepErrors(row, scale)) / signal,
    dynamic: measure((row) => keepErrors(row, Math.fround(absmax(row) / 127))) / signal,
  };
}

/**
 * Sum over tokens of v v^T / |x|^2, v what `change` makes of x; f64[K, K], upper triangle, in place of the
 * factor.
 */
function tokenGram(
  { kernels, regions }: GptqMemory,
  { x, K, factors }: ActivationRows,
  change: (row: Float32Array) => void,
): Float64Array {
  const gram = kernels.f64(regions.factor, K * factorStride(K)).subarray(0, K * K);
  gram.fill(0);
  const block = rowsOfBlock(K) * K;
  for (let begin = 0; begin < x.length; begin += block) {
    const rows = x.slice(begin, begin + block);
    for (let at = 0; at < rows.length; at += K) {
      const row = rows.subarray(at, at + K);
      if (factors) for (let k = 0; k < K; k++) row[k]! /= factors[k]!;
      const size = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0));
      change(row);
      if (size > 0) for (let k = 0; k < K; k++) row[k]! /= size;
    }
    kernels.f32(regions.products, rows.length).set(rows);
    kernels.split("gram_f64_f32", K / 8, regions.products, regions.factor, rows.length / K, K);
  }
  return gram;
}

/** Replaces a row by its rounding errors. */
function keepErrors(row: Float32Array, scale: number): void {
  for (let k = 0; k < row.length; k++) {
    const code = scale === 0 ? 0 : Math.max(-127, Math.min(127, row[k]! / scale + ROUND - ROUND));
    row[k]! -= code * scale;
  }
}
