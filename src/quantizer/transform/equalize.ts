/**
 * Equalization: even out the channels of an activation before it gets one scale, and undo it in the weights
 * that read it.
 *
 *   X'_i = X_i / s_i      W'[n, i] = W[n, i] * s_i      X' W'^T = X W^T
 *
 *   lae          s_i = max|X_i| / log2(2 + max|X_i|)^alpha           FPTQ, Equations 1, 2 and 5
 *   smoothquant  s_i = max|X_i|^alpha / max|W_i|^(1 - alpha)         SmoothQuant, Equation 4
 *   awq          s_i = rms(X_i)^t, t searched by output error        AWQ, section 3.2; `awq.ts`
 *
 * 1/s goes into what makes X (weight and bias of the norm before it), so nothing is left to do while the
 * model runs.
 */
import { type LinearInput, precedingNorm } from "../../architecture/description.ts";
import { RecipeError } from "../../errors.ts";
import { largest } from "../calibrate/activation-stats.ts";
import { multiply, sharedAlike, type Transform } from "./transform.ts";

export const EQUALIZATIONS = ["lae", "smoothquant", "awq", "none"] as const;

export type EqualizationMethod =
  | { readonly kind: "none" }
  /** alpha is 1 for most models (FPTQ, Appendix A.2). */
  | { readonly kind: "lae"; readonly alpha: number }
  /** alpha is 0.5 for most models (SmoothQuant, section 4). */
  | { readonly kind: "smoothquant"; readonly alpha: number }
  | { readonly kind: "awq" };

/**
 * A channel of which calibration saw next to nothing must not blow up the norm's weight. SmoothQuant's own
 * floor.
 */
export const SMALLEST_FACTOR = 1e-5;

/**
 * s_i of each channel by a formula, f32[K]. A channel that was never active keeps s = 1.
 *
 * @param absmax max|X_i| of each channel, f32[K]
 * @param weightAbsmax max|W_i| over all rows that read channel i, f32[K]; for smoothquant
 * @param alike consecutive channels that share a factor, that of the largest values of all of them
 * @returns undefined if the method leaves activations as they are, or searches
 */
export function equalizationFactors(
  absmax: Float32Array,
  method: EqualizationMethod,
  weightAbsmax?: Float32Array,
  alike = 1,
): Float32Array | undefined {
  if (alike > 1) {
    const [input, weights] = [absmax, weightAbsmax].map((values) => values && sharedAlike(values, alike, largest));
    return equalizationFactors(input!, method, weights);
  }
  switch (method.kind) {
    case "none":
    case "awq":
      return undefined;
    case "lae":
      return absmax.map((value) => (value === 0 ? 1 : atLeast(value / Math.log2(2 + value) ** method.alpha)));
    case "smoothquant":
      return absmax.map((value, channel) => {
        const weight = weightAbsmax![channel]!;
        if (value === 0 || weight === 0) return 1;
        return atLeast(atLeast(value) ** method.alpha / atLeast(weight) ** (1 - method.alpha));
      });
  }
}

function atLeast(value: number): number {
  return Math.max(SMALLEST_FACTOR, value);
}

/** @throws RecipeError if alpha is outside its domain */
export function checkEqualization(method: EqualizationMethod): void {
  if (method.kind === "lae" && !Number.isFinite(method.alpha)) {
    throw new RecipeError(`alpha: got ${method.alpha}, need a finite number`);
  }
  if (method.kind === "smoothquant" && !(method.alpha >= 0 && method.alpha <= 1)) {
    throw new RecipeError(`alpha: got ${method.alpha}, need a number from 0 to 1 for smoothquant`);
  }
}

/**
 * max_i(absmax_i / s_i): the range a static scale has to cover after equalization. Without factors: before
 * it.
 */
export function equalizedRange(absmax: Float32Array, factors: Float32Array | undefined): number {
  return factors === undefined ? largest(absmax) : largest(absmax.map((value, channel) => value / factors[channel]!));
}

/**
 * Makes the transform of one input: its norm divides by s, all linears that read it multiply.
 *
 * @param input one that a norm makes
 * @param factors s, f32[K]
 */
export function equalization(input: Pick<LinearInput, "from" | "modules">, factors: Float32Array): Transform {
  const { weight, bias } = precedingNorm(input)!;
  const norms = [weight, ...(bias === undefined ? [] : [bias])];
  return {
    modules: new Map(input.modules.map(({ name }) => [name, { columns: factors }])),
    norms: new Map(norms.map((tensor) => [tensor, factors])),
  };
}

/** A copy of rows of a weight, f32[rows, K], with s in their columns. */
export function equalizeColumns(weight: Float32Array, factors: Float32Array): Float32Array {
  const equalized = weight.slice();
  multiply(equalized, { columns: factors }, factors.length);
  return equalized;
}

/** Mean square of each channel once it is divided by its factor, f32[K]. */
export function equalizedMoment(secondMoment: Float64Array, factors: Float32Array | undefined): Float32Array {
  return Float32Array.from(secondMoment, (value, k) => value / (factors?.[k] ?? 1) ** 2);
}
