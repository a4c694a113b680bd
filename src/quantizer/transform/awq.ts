/**
 * AWQ (Lin et al. 2023), section 3.2: equalization searched by the error rounded weights leave at the output.
 *
 *   s_i = rms(X_i)^t / sqrt(max s * min s)
 *   t = argmin over {0, 1/20, ..., 1} of sum over rows of e H e^T      e = w - Q(w * s) / s
 *
 * where Q rounds to nearest. The paper takes the mean of |X_i|; its root mean square is what the Hessian
 * holds, and differs little.
 */
import { type Hessian, hessianDiagonal } from "../calibrate/hessian.ts";
import { equalizeColumns, SMALLEST_FACTOR } from "./equalize.ts";
import type { OutputError } from "../round/output-error.ts";
import { dequantizeModule, nearestRows } from "../round/module-rows.ts";
import type { RowFormat } from "../round/quantize-weights.ts";

const STEPS = 20;

/**
 * @param hessian of the input as it is
 * @param weights of all modules at the input, f32[rows, K] each
 * @param error with the input's Hessian loaded
 * @returns the factors of the best t, f32[K]
 */
export function searchFactors(
  hessian: Hessian,
  weights: readonly Float32Array[],
  format: RowFormat,
  error: OutputError,
): Float32Array {
  const rms = hessianDiagonal(hessian).map(Math.sqrt);
  let best = new Float32Array(hessian.K).fill(1);
  let least = Infinity;
  for (let step = 0; step <= STEPS; step++) {
    const factors = factorsOf(rms, step / STEPS);
    const sum = weights.reduce((total, weight) => total + error.of(roundingError(weight, factors, format)), 0);
    if (sum < least) [least, best] = [sum, factors];
  }
  return best;
}

function factorsOf(rms: Float64Array, t: number): Float32Array<ArrayBuffer> {
  const raw = rms.map((value) => (value === 0 ? 1 : Math.max(SMALLEST_FACTOR, value ** t)));
  const low = raw.reduce((least, value) => Math.min(least, value), Infinity);
  const high = raw.reduce((most, value) => Math.max(most, value), 0);
  const middle = Math.sqrt(low * high);
  return Float32Array.from(raw, (value) => value / middle);
}

/** w - Q(w * s) / s, f32[rows, K]. */
function roundingError(weight: Float32Array, factors: Float32Array, format: RowFormat): Float32Array {
  const equalized = equalizeColumns(weight, factors);
  const rounded = dequantizeModule(nearestRows(equalized, format));
  for (let i = 0; i < rounded.length; i++) rounded[i] = weight[i]! - rounded[i]! / factors[i % format.K]!;
  return rounded;
}
