/** What SmoothQuant wants to know of weights: the largest magnitude that meets each channel of an input. */
import { describeModel, type InputName, type LinearInput, precedingNorm } from "../../architecture/description.ts";
import type { Checkpoint } from "../../checkpoint/checkpoint.ts";
import { throwIfAborted } from "../../errors.ts";

/** max|W_i| over all rows of all modules at each input that follows a norm, f32[K], for each layer. */
export type WeightStats = readonly Readonly<Partial<Record<InputName, Float32Array>>>[];

/** Reads one module at a time. */
export async function collectWeightStats(checkpoint: Checkpoint, signal?: AbortSignal): Promise<WeightStats> {
  const stats: Partial<Record<InputName, Float32Array>>[] = [];
  for (const { inputs } of describeModel(checkpoint.config).blocks) {
    const layer: Partial<Record<InputName, Float32Array>> = {};
    for (const input of inputs.filter(precedingNorm)) layer[input.name] = await columnAbsmax(checkpoint, input, signal);
    stats.push(layer);
  }
  return stats;
}

async function columnAbsmax(
  checkpoint: Checkpoint,
  { width, modules }: LinearInput,
  signal?: AbortSignal,
): Promise<Float32Array> {
  const absmax = new Float32Array(width);
  for (const { name } of modules) {
    throwIfAborted(signal, `reading ${name}`);
    raiseToColumns(absmax, await checkpoint.readF32(`${name}.weight`, { signal }));
  }
  return absmax;
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
