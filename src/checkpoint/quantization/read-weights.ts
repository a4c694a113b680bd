/** Weights of a linear module as floats, however they are stored. */
import type { LinearModule } from "../../architecture/description.ts";
import type { Checkpoint, ReadOptions } from "../checkpoint.ts";
import { dequantizeKept } from "./kept-rows.ts";

/**
 * Reads rows of a module's weights, dequantized where they are not stored as floats; low-rank terms are not
 * added.
 *
 * @returns f32[rows, K]
 * @throws CheckpointError if a tensor is missing or its bytes cannot be read; UnsupportedModelError
 */
export async function readWeights(
  checkpoint: Checkpoint,
  { name, inFeatures: K }: Pick<LinearModule, "name" | "inFeatures">,
  options: ReadOptions = {},
): Promise<Float32Array> {
  const tensor = `${name}.weight`;
  const form = checkpoint.tensors.has(tensor) ? undefined : checkpoint.keptForm(name);
  if (!form) return checkpoint.readF32(tensor, options);
  const kept = await checkpoint.readKept(name, options);
  const values = new Float32Array(kept.rows * K);
  dequantizeKept(form, kept, values);
  return values;
}
