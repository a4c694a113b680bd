/** What SmoothQuant wants to know of weights: the largest magnitude that meets each channel of an input. */
import type { Checkpoint } from "../../checkpoint/checkpoint.ts";
import { LINEAR_INPUTS, type LinearInput, linearModules } from "../../architecture/tensor-names.ts";
import { throwIfAborted } from "../../errors.ts";
import { followsNorm } from "../decide/linear-inputs.ts";

/** max|W_i| over all rows of all modules at each input that follows a norm, f32[K], for each layer. */
export type WeightStats = readonly Readonly<Partial<Record<LinearInput, Float32Array>>>[];

/** Reads one module at a time. */
export async function collectWeightStats(checkpoint: Checkpoint, signal?: AbortSignal): Promise<WeightStats> {
  const { config } = checkpoint;
  const stats: Partial<Record<LinearInput, Float32Array>>[] = [];
  for (let layer = 0; layer < config.layers; layer++) {
    const ofLayer: Partial<Record<LinearInput, Float32Array>> = {};
    for (const input of LINEAR_INPUTS.filter(followsNorm)) {
      const modules = linearModules(config, layer, input);
      const absmax = new Float32Array(modules[0]!.inFeatures);
      for (const { name } of modules) {
        throwIfAborted(signal, `reading ${name}`);
        raiseToColumns(absmax, await checkpoint.readF32(`${name}.weight`, { signal }));
      }
      ofLayer[input] = absmax;
    }
    stats.push(ofLayer);
  }
  return stats;
}

/** absmax[k] = max(absmax[k], max over rows of |weight[row, k]|). A NaN is left for the rounder to name. */
export function raiseToColumns(absmax: Float32Array, weight: Float32Array): void {
  const K = absmax.length;
  for (let row = 0; row < weight.length; row += K) {
    for (let k = 0; k < K; k++) {
      const magnitude = Math.abs(weight[row + k]!);
      if (magnitude > absmax[k]!) absmax[k] = magnitude;
    }
  }
}
