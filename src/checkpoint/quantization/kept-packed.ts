/** Weights that compressed-tensors packs (`pack-quantized.ts`), as kernels take them: they are stored so. */
import type { Checkpoint, ReadOptions } from "../checkpoint.ts";
import type { KeptForm, KeptRows } from "./kept-form.ts";
import type { LinearScheme } from "./quantization-config.ts";
import { superblockOf } from "./two-level.ts";

/** @param K in_features */
export function packedKeptForm({ weights, groupSize }: Pick<LinearScheme, "weights" | "groupSize">, K: number): KeptForm {
  if (weights === "int4m") return { form: "qb4mw", superblock: superblockOf(K) };
  const G = groupSize === "channel" ? K : groupSize;
  if (weights === "int8") return G === K ? { form: "qc8w" } : { form: "qb8w", groupSize: G };
  return { form: weights === "fp4" ? "qb4fw" : "qb4w", groupSize: G };
}

/** @throws CheckpointError if they cannot be read */
export async function readPackedRows(checkpoint: Checkpoint, module: string, options: ReadOptions): Promise<KeptRows> {
  const stored = await checkpoint.readRaw(`${module}.weight_packed`, options);
  // Words are viewed as such, so they must lie on a boundary of four bytes.
  const { buffer, byteOffset, byteLength } = stored.byteOffset % 4 === 0 ? stored : stored.slice();
  const words = new Int32Array(buffer, byteOffset, byteLength / 4);
  const rows = options.rows ? options.rows[1] - options.rows[0] : checkpoint.tensors.get(`${module}.weight_packed`)!.shape[0]!;
  if (!checkpoint.tensors.has(`${module}.weight_multiplier`)) {
    return { rows, arrays: [words, await checkpoint.readF32(`${module}.weight_scale`, options)] };
  }
  const scales = await checkpoint.readRaw(`${module}.weight_scale`, options);
  const minima = await checkpoint.readRaw(`${module}.weight_minimum`, options);
  return { rows, arrays: [words, scales, minima, await checkpoint.readF32(`${module}.weight_multiplier`, options)] };
}
