/**
 * Rotary position embedding tables (Su et al., 2021), with the frequency scalings of Llama 3 and of linear interpolation.
 *
 * The powers, sines and cosines are taken in wasm; the scalings here use only operations that IEEE 754 fixes.
 */
import type { ModelConfig, RopeScaling } from "../architecture/model-config.ts";
import type { Pointer } from "../kernels/kernel-exports.ts";
import type { Kernels } from "../kernels/kernels.ts";
import type { MemoryPlan } from "../kernels/memory-plan.ts";

export interface RopeTable {
  readonly positions: number;
  readonly frequencies: Pointer; // f32[D/2]
  readonly cos: Pointer; // f32[positions, D/2]
  readonly sin: Pointer; // f32[positions, D/2]
}

export function planRopeTable(plan: MemoryPlan, config: ModelConfig, positions: number): RopeTable {
  const half = config.headDim / 2;
  return {
    positions,
    frequencies: plan.reserve("weights", 4 * half, "rotary frequencies"),
    cos: plan.reserve("weights", 4 * positions * half, `cosines of ${positions} positions`),
    sin: plan.reserve("weights", 4 * positions * half, `sines of ${positions} positions`),
  };
}

export function fillRopeTable(kernels: Kernels, config: ModelConfig, table: RopeTable): void {
  kernels.run.rope_frequencies_f32(table.frequencies, config.ropeTheta, config.headDim);
  scaleFrequencies(kernels.f32(table.frequencies, config.headDim / 2), config.ropeScaling);
  kernels.run.rope_table_f32(table.frequencies, table.cos, table.sin, 0, table.positions, config.headDim);
}

/** Frequencies (radians per token), changed in place. Llama 3's rule: transformers' `modeling_rope_utils.py`, llama3. */
export function scaleFrequencies(frequencies: Float32Array, scaling: RopeScaling): void {
  switch (scaling.kind) {
    case "none":
      return;
    case "linear":
      for (let i = 0; i < frequencies.length; i++) frequencies[i]! /= scaling.factor;
      return;
    case "factors":
      for (let i = 0; i < frequencies.length; i++) frequencies[i]! /= scaling.factors[i]!;
      return;
    case "llama3": {
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
  }
}
