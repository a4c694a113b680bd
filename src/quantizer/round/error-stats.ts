/**
 * What rounding cost: sums over a weight that can be added up over row blocks and linears, and the figures
 * made of them.
 */
import { dequantizeModule, type ModuleRows } from "./module-rows.ts";

/** Sums over elements; add two with `addErrors`. */
export interface ErrorSums {
  readonly count: number;
  /** Sum of w^2 and of (w - Q(w))^2. */
  readonly signal: number;
  readonly noise: number;
  readonly maxAbsError: number;
  /** Elements that are not 0 but were rounded to it. */
  readonly roundedToZero: number;
}

export const NO_ERRORS: ErrorSums = { count: 0, signal: 0, noise: 0, maxAbsError: 0, roundedToZero: 0 };

/** @param weight f32[rows, K] that was rounded to `rows` */
export function measureErrors(weight: Float32Array, rows: ModuleRows): ErrorSums {
  const rounded = dequantizeModule(rows);
  let signal = 0;
  let noise = 0;
  let maxAbsError = 0;
  let roundedToZero = 0;
  for (let i = 0; i < weight.length; i++) {
    const value = weight[i]!;
    const error = Math.abs(value - rounded[i]!);
    signal += value * value;
    noise += error * error;
    if (error > maxAbsError) maxAbsError = error;
    if (rounded[i] === 0 && value !== 0) roundedToZero++;
  }
  return { count: weight.length, signal, noise, maxAbsError, roundedToZero };
}

export function addErrors(a: ErrorSums, b: ErrorSums): ErrorSums {
  return {
    count: a.count + b.count,
    signal: a.signal + b.signal,
    noise: a.noise + b.noise,
    maxAbsError: Math.max(a.maxAbsError, b.maxAbsError),
    roundedToZero: a.roundedToZero + b.roundedToZero,
  };
}

/**
 * What rounding one module did to its weights, equalized if the plan equalizes: as it was done, and as
 * rounding to nearest would.
 */
export interface ModuleErrors {
  readonly chosen: ErrorSums;
  readonly nearest: ErrorSums;
  /** Weights with the codes of their source; 0 where none were to keep them. */
  readonly kept: number;
}

export interface ErrorStats {
  /** Normalized mean square error: noise / signal, 0 for a weight of zeros. */
  readonly nmse: number;
  /** Signal to quantization noise ratio in dB; null if there is no noise (JSON has no infinity). */
  readonly sqnrDb: number | null;
  readonly maxAbsError: number;
  /** Share of all elements that are not 0 but were rounded to it. */
  readonly roundedToZero: number;
}

export function errorStats({ count, signal, noise, maxAbsError, roundedToZero }: ErrorSums): ErrorStats {
  return {
    nmse: noise === 0 ? 0 : noise / signal,
    sqnrDb: noise === 0 ? null : 10 * Math.log10(signal / noise),
    maxAbsError,
    roundedToZero: count === 0 ? 0 : roundedToZero / count,
  };
}
