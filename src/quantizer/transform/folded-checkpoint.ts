/** A float checkpoint with folds applied to what is read of it. */
import type { Checkpoint, ReadOptions } from "../../checkpoint/checkpoint.ts";
import type { ModuleFactors } from "./fold.ts";

/**
 * @param factors by module name
 * @returns a view of the checkpoint; closing either closes both
 */
export function foldCheckpoint(checkpoint: Checkpoint, factors: ReadonlyMap<string, ModuleFactors>): Checkpoint {
  const { name, format, config, configJson, quantization, tokenizer, generation, tensors } = checkpoint;
  return {
    name,
    format,
    config,
    configJson,
    quantization,
    tokenizer,
    generation,
    tensors,
    async readF32(tensor, options = {}) {
      const values = await checkpoint.readF32(tensor, options);
      const found = factorsOf(tensor, factors);
      if (found) multiply(values, found, tensors.get(tensor)!.shape[1] ?? 1, options);
      return values;
    },
    readRaw: (tensor, options) => checkpoint.readRaw(tensor, options),
    verify: (signal) => checkpoint.verify(signal),
    close: () => checkpoint.close(),
  };
}

/** A bias has what a weight has rows of. */
function factorsOf(tensor: string, factors: ReadonlyMap<string, ModuleFactors>): ModuleFactors | undefined {
  const [, module, kind] = /^(.*)\.(weight|bias)$/.exec(tensor) ?? [];
  const found = module === undefined ? undefined : factors.get(module);
  return found && kind === "bias" ? { rows: found.rows } : found;
}

function multiply(values: Float32Array, { rows, columns }: ModuleFactors, K: number, { rows: read = [0, 0] }: ReadOptions): void {
  for (let i = 0; i < values.length; i++) {
    if (rows) values[i]! *= rows[read[0] + Math.floor(i / K)]!;
    if (columns) values[i]! *= columns[i % K]!;
  }
}
