/**
 * Reads every tensor of a model, equalizes and rounds it as planned, and writes it: a few rows at a time, so that memory stays small
 * whatever the size of the model.
 */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { encodeF16 } from "../checkpoint/float-formats.ts";
import { packInt32, type WeightBits } from "../checkpoint/pack-quantized.ts";
import type { SafetensorsWriter } from "../checkpoint/safetensors-writer.ts";
import {
  attentionModule,
  EMBEDDING,
  FINAL_NORM,
  HEAD,
  layerNorms,
  LINEAR_INPUTS,
  linearModules,
} from "../checkpoint/tensor-names.ts";
import { RecipeError, throwIfAborted } from "../errors.ts";
import type { OnProgress } from "../progress.ts";
import { equalizeColumns, equalizeNorm } from "./equalize.ts";
import { addErrors, type ErrorSums, measureErrors, NO_ERRORS } from "./error-stats.ts";
import { precedingNorm } from "./linear-inputs.ts";
import { findInput, type QuantizationPlan } from "./quantization-plan.ts";
import { quantizeRows } from "./quantize-weights.ts";

export interface QuantizeTensorsOptions {
  readonly signal?: AbortSignal | undefined;
  /** Counts stored bytes of the source. */
  readonly onProgress?: OnProgress | undefined;
}

/** Rows read at a time hold about this many values. */
const BLOCK_ELEMENTS = 1 << 20;
/** What rounds to infinity in float16 begins here. */
const F16_OVERFLOW = 65520;

/**
 * @returns errors of rounding each linear module, the embedding and the head, by module name; of the equalized weights where the
 *   plan equalizes. Modules stored as floats have none.
 * @throws RecipeError for NaN or infinity in a tensor, or a value float16 cannot hold; CheckpointError; AbortError
 */
export async function quantizeTensors(
  checkpoint: Checkpoint,
  plan: QuantizationPlan,
  writer: SafetensorsWriter,
  options: QuantizeTensorsOptions = {},
): Promise<ReadonlyMap<string, ErrorSums>> {
  const { config, inputs, cache, modules } = plan;
  const errors = new Map<string, ErrorSums>();
  const source = new RowReader(checkpoint, options);

  const quantizeModule = async (name: string, factors?: Float32Array) => {
    const scheme = modules.get(name);
    const [N, K] = checkpoint.tensors.get(`${name}.weight`)!.shape as [number, number];
    if (!scheme) {
      await writeF16(name);
      return;
    }
    const G = scheme.groupSize === "channel" ? K : scheme.groupSize;
    errors.set(name, await quantizeModuleRows(source, writer, name, G, scheme.numBits, factors));
    await writer.write(`${name}.weight_shape`, BigInt64Array.of(BigInt(N), BigInt(K)));
  };
  const writeF16 = async (name: string) => {
    for await (const { values, firstRow, K } of source.blocks(`${name}.weight`)) {
      checkValues(values, `${name}.weight`, firstRow * K, F16_OVERFLOW);
      await writer.write(`${name}.weight`, encodeF16(values));
    }
  };
  const writeF32 = async (tensor: string, values: Float32Array) => {
    checkValues(values, tensor, 0, Infinity);
    await writer.write(tensor, values);
  };
  const copyVector = async (tensor: string) => writeF32(tensor, await source.all(tensor));

  await quantizeModule(EMBEDDING);
  for (let layer = 0; layer < config.layers; layer++) {
    for (const input of LINEAR_INPUTS) {
      const { factors, inputScale } = findInput(inputs, layer, input);
      const norm = precedingNorm(config, layer, input);
      if (norm !== undefined) {
        const weight = await source.all(norm);
        await writeF32(norm, factors ? equalizeNorm(weight, factors) : weight);
      }
      for (const { name, bias } of linearModules(config, layer, input)) {
        await quantizeModule(name, factors);
        if (inputScale !== undefined) await writer.write(`${name}.input_scale`, Float32Array.of(inputScale));
        if (bias) await copyVector(`${name}.bias`);
      }
    }
    const { q, k } = layerNorms(config, layer);
    for (const norm of [q, k]) if (norm !== undefined) await copyVector(norm);
    const scales = cache?.[layer];
    if (scales) {
      await writer.write(`${attentionModule(layer)}.k_scale`, Float32Array.of(scales.kScale));
      await writer.write(`${attentionModule(layer)}.v_scale`, Float32Array.of(scales.vScale));
    }
  }
  await copyVector(FINAL_NORM);
  if (!config.tiedEmbedding) await quantizeModule(HEAD);
  return errors;
}

async function quantizeModuleRows(
  source: RowReader,
  writer: SafetensorsWriter,
  name: string,
  G: number,
  bits: WeightBits,
  factors: Float32Array | undefined,
): Promise<ErrorSums> {
  const tensor = `${name}.weight`;
  let errors = NO_ERRORS;
  for await (const { values, firstRow, K } of source.blocks(tensor)) {
    const weight = factors ? equalizeColumns(values, factors) : values;
    const quantized = quantizeRows(weight, K, G, bits, { tensor, firstRow });
    errors = addErrors(errors, measureErrors(weight, quantized));
    await writer.write(`${name}.weight_packed`, packInt32(quantized.q, bits));
    await writer.write(`${name}.weight_scale`, quantized.scale);
  }
  return errors;
}

/** @throws RecipeError naming tensor and index of the first value that is NaN or not below `limit` in magnitude */
function checkValues(values: Float32Array, tensor: string, firstIndex: number, limit: number): void {
  const index = values.findIndex((value) => !(Math.abs(value) < limit));
  if (index < 0) return;
  const value = values[index]!;
  const need = Number.isFinite(value) ? `float16 holds less than ${limit}; write the embedding as int8` : "values must be finite";
  throw new RecipeError(`${tensor}: ${value} at element ${firstIndex + index}; ${need}`);
}

/** Rows of float tensors, in blocks, with progress and cancellation between them. */
class RowReader {
  readonly #checkpoint: Checkpoint;
  readonly #options: QuantizeTensorsOptions;
  readonly #total: number;
  #done = 0;

  constructor(checkpoint: Checkpoint, options: QuantizeTensorsOptions) {
    this.#checkpoint = checkpoint;
    this.#options = options;
    this.#total = [...checkpoint.tensors.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  async all(tensor: string): Promise<Float32Array> {
    return this.#read(tensor, 0, this.#checkpoint.tensors.get(tensor)!.shape[0]!);
  }

  async *blocks(tensor: string): AsyncGenerator<{ values: Float32Array; firstRow: number; K: number }> {
    const [N, K] = this.#checkpoint.tensors.get(tensor)!.shape as [number, number];
    const rows = Math.max(1, Math.floor(BLOCK_ELEMENTS / K));
    for (let firstRow = 0; firstRow < N; firstRow += rows) {
      yield { values: await this.#read(tensor, firstRow, Math.min(N, firstRow + rows)), firstRow, K };
    }
  }

  async #read(tensor: string, begin: number, end: number): Promise<Float32Array> {
    const { signal, onProgress } = this.#options;
    throwIfAborted(signal, `quantizing ${tensor}`);
    const values = await this.#checkpoint.readF32(tensor, { rows: [begin, end], signal });
    const { bytes, shape } = this.#checkpoint.tensors.get(tensor)!;
    this.#done += (bytes * (end - begin)) / shape[0]!;
    onProgress?.({ phase: "quantize", done: Math.min(this.#done, this.#total), total: this.#total, unit: "bytes" });
    return values;
  }
}
