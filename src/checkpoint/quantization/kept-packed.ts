/** Weights that compressed-tensors packs (`pack-quantized.ts`), as kernels take them: they are stored so. */
import type { Checkpoint, ReadOptions } from "../checkpoint.ts";
import type { KeptForm, KeptRows } from "./kept-form.ts";
import type { LinearScheme } from "./quantization-config.ts";

/** @param K in_features */
export function packedKeptForm({ weights, groupSize }: LinearScheme, K: number): KeptForm {
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
  const scales = await checkpoint.readF32(`${module}.weight_scale`, options);
  const rows = options.rows ? options.rows[1] - options.rows[0] : checkpoint.tensors.get(`${module}.weight_packed`)!.shape[0]!;
  return { rows, arrays: [words, scales] };
}
