/** Weights of a linear module as floats, however they are stored. */
import type { LinearModule } from "../../architecture/description.ts";
import type { Checkpoint, ReadOptions } from "../checkpoint.ts";
import { dequantizeWords } from "./pack-quantized.ts";

/**
 * Reads rows of a module's weights, dequantized where they are packed; low-rank terms are not added.
 *
 * @returns f32[rows, K]
 * @throws CheckpointError if a tensor is missing or its bytes cannot be read; UnsupportedModelError
 */
export async function readWeights(
  checkpoint: Checkpoint,
  { name, inFeatures: K }: Pick<LinearModule, "name" | "inFeatures">,
  options: ReadOptions = {},
): Promise<Float32Array> {
  const scheme = checkpoint.quantization?.linear(name);
  if (!scheme) return checkpoint.readF32(`${name}.weight`, options);
  const bytes = await checkpoint.readRaw(`${name}.weight_packed`, options);
  const scales = await checkpoint.readF32(`${name}.weight_scale`, options);
  // Words are viewed as such, so they must lie on a boundary of four bytes.
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  const words = new Int32Array(buffer, byteOffset, byteLength / 4);
  const groupSize = scheme.groupSize === "channel" ? K : scheme.groupSize;
  return dequantizeWords(words, scales, { K, type: scheme.weights, groupSize });
}
