/**
 * Equalization: even out the channels of an activation before it gets one scale, and undo it in the weights that read it
 * (FPTQ, Equations 1, 2 and 5).
 *
 *   s_i = max|X_i| / log2(2 + max|X_i|)^alpha      X'_i = X_i / s_i      W'[n, i] = W[n, i] * s_i      X' W'^T = X W^T
 *
 * 1/s goes into the weight of the norm that makes X, so nothing is left to do while the model runs.
 */
import { RecipeError } from "../errors.ts";
import { largest } from "./activation-stats.ts";

export type EqualizationMethod =
  | { readonly kind: "none" }
  /** Logarithmic activation equalization; alpha is 1 for most models (Appendix A.2). */
  | { readonly kind: "lae"; readonly alpha: number };

/** A channel of which calibration saw next to nothing must not blow up the norm's weight. SmoothQuant's own floor. */
const SMALLEST_FACTOR = 1e-5;

/**
 * s_i of each channel, f32[K]. A channel that was never active keeps s = 1.
 *
 * @param absmax max|X_i| of each channel, f32[K]
 * @returns undefined if the method leaves activations as they are
 */
export function equalizationFactors(absmax: Float32Array, method: EqualizationMethod): Float32Array | undefined {
  if (method.kind === "none") return undefined;
  return absmax.map((value) => (value === 0 ? 1 : Math.max(SMALLEST_FACTOR, value / Math.log2(2 + value) ** method.alpha)));
}

/** @throws RecipeError if alpha is not a finite number */
export function checkEqualization(method: EqualizationMethod): void {
  if (method.kind === "lae" && !Number.isFinite(method.alpha)) {
    throw new RecipeError(`alpha: got ${method.alpha}, need a finite number`);
  }
}

/** max_i(absmax_i / s_i): the range a static scale has to cover after equalization. Without factors: before it. */
export function equalizedRange(absmax: Float32Array, factors: Float32Array | undefined): number {
  return factors === undefined ? largest(absmax) : largest(absmax.map((value, channel) => value / factors[channel]!));
}

/** The preceding norm's weight f32[K] with 1/s folded in. */
export function equalizeNorm(weight: Float32Array, factors: Float32Array): Float32Array {
  return weight.map((value, channel) => value / factors[channel]!);
}

/** Rows of a weight, f32[rows, K], with s folded into their columns. */
export function equalizeColumns(weight: Float32Array, factors: Float32Array): Float32Array {
  const K = factors.length;
  const equalized = new Float32Array(weight.length);
  for (let row = 0; row < weight.length; row += K) {
    for (let k = 0; k < K; k++) equalized[row + k] = weight[row + k]! * factors[k]!;
  }
  return equalized;
}
