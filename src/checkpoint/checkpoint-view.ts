/** A checkpoint seen otherwise: some of its parts replaced, the rest as they are. */
import type { Checkpoint } from "./checkpoint.ts";

/** Gives a view of a checkpoint with `changes`; closing either closes both. */
export function checkpointView(checkpoint: Checkpoint, changes: Partial<Checkpoint>): Checkpoint {
  const { name, format, config, configJson, quantization, tokenizer, generation, pooling, tensors, notes } = checkpoint;
  return {
    name,
    format,
    config,
    configJson,
    quantization,
    tokenizer,
    generation,
    pooling,
    tensors,
    notes,
    readF32: (tensor, options) => checkpoint.readF32(tensor, options),
    readRaw: (tensor, options) => checkpoint.readRaw(tensor, options),
    keptForm: (module) => checkpoint.keptForm(module),
    readKept: (module, options) => checkpoint.readKept(module, options),
    readKeptOrder: async (module, signal) => checkpoint.readKeptOrder?.(module, signal),
    readDense: async (signal) => (await checkpoint.readDense?.(signal)) ?? [],
    startVerifying: () => checkpoint.startVerifying?.(),
    verify: (signal) => checkpoint.verify(signal),
    close: () => checkpoint.close(),
    ...changes,
  };
}
