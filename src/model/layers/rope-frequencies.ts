/**
 * Frequencies of the rotary embedding, radians per token, as a model's configuration changes them for long
 * contexts: the rules of transformers' `modeling_rope_utils.py`.
 *
 * Logarithms and powers are taken in wasm; what is done here uses only operations that IEEE 754 fixes.
 */
import type { ModelConfig, Rope, RopeScaling } from "../../architecture/model-config.ts";
import type { Kernels } from "../../kernels/kernels.ts";
import type { Pointer } from "../../kernels/pointer.ts";

type Of<Kind extends RopeScaling["kind"]> = Extract<RopeScaling, { kind: Kind }>;
type Run = Pick<Kernels["run"], "log_f64" | "power_f64" | "rope_frequencies_f32">;

/**
 * Tells whether the frequencies depend on how long sequences can be. In transformers they follow the sequence
 * as it grows; here, as in llama.cpp and vLLM, a model has those of the context it was loaded with. A cache
 * holds keys that were turned already, and they have to stay right while a sequence grows.
 */
export function dependsOnContext({ ropeScaling: { kind } }: Pick<Rope, "ropeScaling">): boolean {
  return kind === "dynamic" || kind === "longrope";
}

/**
 * Fills f32[R/2] at `at`, R = rotaryDim.
 *
 * @param view the same memory
 * @param positions tokens of a sequence, at most
 * @returns what cosines and sines are to be multiplied by
 */
export function fillFrequencies(
  run: Run,
  config: Pick<ModelConfig, "rotaryDim" | "ropeTheta" | "ropeScaling" | "contextLength">,
  at: Pointer,
  view: Float32Array,
  positions: number,
): number {
  const { rotaryDim: R, ropeTheta, ropeScaling: scaling } = config;
  const theta = scaling.kind === "dynamic" ? dynamicBase(run, config, scaling, positions) : ropeTheta;
  run.rope_frequencies_f32(at, theta, R);
  switch (scaling.kind) {
    case "none":
    case "dynamic":
      return 1;
    case "linear":
      for (let i = 0; i < view.length; i++) view[i]! /= scaling.factor;
      return 1;
    case "factors":
      divide(view, scaling.factors);
      return 1;
    case "llama3":
      scaleLlama3(view, scaling);
      return 1;
    case "longrope":
      divide(view, positions > scaling.originalContextLength ? scaling.longFactors : scaling.shortFactors);
      return longRopeAttention(run, scaling);
    case "yarn":
      scaleYarn(run, view, scaling, ropeTheta, R);
      return yarnAttention(run, scaling);
  }
}

function divide(frequencies: Float32Array, factors: readonly number[]): void {
  for (let i = 0; i < frequencies.length; i++) frequencies[i]! /= factors[i]!;
}

/** Theta (factor n / context - (factor - 1))^(R / (R - 2)), n = max(positions, context). */
function dynamicBase(
  run: Run,
  { ropeTheta, rotaryDim: R, contextLength }: Pick<ModelConfig, "rotaryDim" | "ropeTheta" | "contextLength">,
  { factor }: Of<"dynamic">,
  positions: number,
): number {
  if (positions <= contextLength) return ropeTheta;
  return ropeTheta * run.power_f64((factor * positions) / contextLength - (factor - 1), R / (R - 2));
}

function scaleLlama3(frequencies: Float32Array, scaling: Of<"llama3">): void {
  const { factor, lowFreqFactor, highFreqFactor, originalContextLength } = scaling;
  for (let i = 0; i < frequencies.length; i++) {
    const frequency = frequencies[i]!;
    const wavelength = (2 * Math.PI) / frequency;
    if (wavelength < originalContextLength / highFreqFactor) continue;
    if (wavelength > originalContextLength / lowFreqFactor) {
      frequencies[i] = frequency / factor;
      continue;
    }
    const smooth = (originalContextLength / wavelength - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
    frequencies[i] = ((1 - smooth) * frequency) / factor + smooth * frequency;
  }
}

/**
 * Frequencies that turn more than `betaFast` times in the original context stay, those that turn less than
 * `betaSlow` times are divided, and a ramp over channels lies between (Peng et al. 2023, section 3.2).
 */
function scaleYarn(run: Run, frequencies: Float32Array, scaling: Of<"yarn">, theta: number, R: number): void {
  const { factor, originalContextLength, betaFast, betaSlow, truncate } = scaling;
  /** The channel whose frequency turns so often in the original context. */
  const channel = (turns: number) => (R * run.log_f64(originalContextLength / (turns * 2 * Math.PI))) / (2 * run.log_f64(theta));
  const [first, last] = [channel(betaFast), channel(betaSlow)];
  const low = Math.max(0, truncate ? Math.floor(first) : first);
  let high = Math.min(R - 1, truncate ? Math.ceil(last) : last);
  if (low === high) high += 0.001;
  for (let i = 0; i < frequencies.length; i++) {
    const ramp = Math.min(1, Math.max(0, (i - low) / (high - low)));
    const frequency = frequencies[i]!;
    frequencies[i] = (frequency / factor) * ramp + frequency * (1 - ramp);
  }
}

/** The temperature of attention's softmax by way of cosines and sines: of q and k each its root. */
function yarnAttention(run: Run, { factor, attention }: Of<"yarn">): number {
  if ("factor" in attention) return attention.factor;
  const scale = (m: number) => (factor <= 1 ? 1 : 0.1 * m * run.log_f64(factor) + 1);
  return scale(attention.mscale) / scale(attention.mscaleAllDim);
}

/** The same number for both lists, whichever is used. */
function longRopeAttention(run: Run, { attention, originalContextLength }: Of<"longrope">): number {
  if ("factor" in attention) return attention.factor;
  if (attention.extension <= 1) return 1;
  return Math.sqrt(1 + run.log_f64(attention.extension) / run.log_f64(originalContextLength));
}
