/**
 * Reads every tensor of a model, equalizes and rounds it as planned, and writes it: a few rows at a time, so that memory stays small
 * whatever the size of the model.
 */
import type { Checkpoint } from "../../checkpoint/checkpoint.ts";
import { decodeF16, encodeF16 } from "../../checkpoint/formats/float-formats.ts";
import { lowRankTensors } from "../../checkpoint/quantization/low-rank.ts";
import { dequantizeWords, packInt32 } from "../../checkpoint/quantization/pack-quantized.ts";
import type { SafetensorsWriter } from "../../checkpoint/safetensors/safetensors-writer.ts";
import {
  attentionModule,
  EMBEDDING,
  FINAL_NORM,
  HEAD,
  layerNorms,
  LINEAR_INPUTS,
  linearModules,
} from "../../architecture/tensor-names.ts";
import { RecipeError, throwIfAborted } from "../../errors.ts";
import type { OnProgress } from "../../progress.ts";
import { equalizeColumns, equalizeNorm } from "../transform/equalize.ts";
import { addErrors, type ErrorSums, measureErrors, NO_ERRORS } from "../round/error-stats.ts";
import { precedingNorm } from "../decide/linear-inputs.ts";
import { findInput, type InputPlan, type QuantizationPlan } from "../decide/quantization-plan.ts";
import { lowRankFactors, residualEnergy } from "../round/lorc.ts";
import { dequantizeRows, quantizeRows, storedScales } from "../round/quantize-weights.ts";
import type { RowRounder } from "../round/row-rounder.ts";
import { SCALE_STORAGE } from "../recipe/scale-type.ts";

export interface QuantizeTensorsOptions {
  readonly signal?: AbortSignal | undefined;
  /** Counts stored bytes of the source. */
  readonly onProgress?: OnProgress | undefined;
}

/** Rows read at a time hold about this many values. */
const BLOCK_ELEMENTS = 1 << 20;
/** What rounds to infinity in float16 begins here. */
const F16_OVERFLOW = 65520;

/** A linear module that was rounded while its layer was in memory. */
export interface RoundedModule {
  readonly packed: Int32Array;
  /** f32[N, K/G], as stored */
  readonly scale: Float32Array;
}

export interface TensorSources {
  /** Rounds the linear modules that `rounded` does not have. */
  readonly rounder: RowRounder;
  /** By module name. */
  readonly rounded?: ReadonlyMap<string, RoundedModule> | undefined;
  /** Mean square of each channel of an input, f64[K], before equalization. */
  readonly secondMoment: (input: InputPlan) => Float64Array;
}

/** What rounding one module did to its weights, equalized if the plan equalizes: as it was done, and as rounding to nearest would. */
export interface ModuleErrors {
  readonly chosen: ErrorSums;
  readonly nearest: ErrorSums;
}

/**
 * @returns errors of each module rounded here, the embedding and the head among them, by module name (modules stored as floats have none),
 *   and the sum of squares that low-rank terms leave of them
 * @throws RecipeError for NaN or infinity in a tensor, or a value float16 cannot hold; CheckpointError; AbortError
 */
export async function quantizeTensors(
  checkpoint: Checkpoint,
  plan: QuantizationPlan,
  writer: SafetensorsWriter,
  sources: TensorSources,
  options: QuantizeTensorsOptions = {},
): Promise<{ errors: ReadonlyMap<string, ModuleErrors>; compensated: ReadonlyMap<string, number> }> {
  const { config, recipe, inputs, cache, modules } = plan;
  const errors = new Map<string, ModuleErrors>();
  const compensated = new Map<string, number>();
  const source = new RowReader(checkpoint, options);
  const encodeScales = SCALE_STORAGE[recipe.scales].encode;

  const quantizeModule = async (name: string, input?: InputPlan) => {
    const scheme = modules.get(name);
    if (!scheme) {
      await writeF16(name);
      return;
    }
    const tensor = `${name}.weight`;
    const [N, K] = checkpoint.tensors.get(tensor)!.shape as [number, number];
    // Embedding and head have scales as they come.
    const constraint = input ? recipe.scaleConstraint : "none";
    const format = { K, G: scheme.groupSize === "channel" ? K : scheme.groupSize, type: scheme.weights, constraint };
    const ready = sources.rounded?.get(name);
    const residue = input && recipe.lorcRank > 0 ? new Float32Array(N * K) : undefined;
    if (ready) {
      await writer.write(`${name}.weight_packed`, ready.packed);
      await writer.write(`${name}.weight_scale`, encodeScales(ready.scale));
      if (!residue) source.skip(tensor);
      else {
        const rounded = dequantizeWords(ready.packed, format.type, ready.scale, format.G);
        for await (const { values, firstRow } of source.blocks(tensor)) {
          const weight = input!.factors ? equalizeColumns(values, input!.factors) : values;
          residue.set(difference(weight, rounded.subarray(firstRow * K)), firstRow * K);
        }
      }
    } else {
      const importance = input && equalizedMoment(sources.secondMoment(input), input.factors);
      let sums: ModuleErrors = { chosen: NO_ERRORS, nearest: NO_ERRORS };
      for await (const { values, firstRow } of source.blocks(tensor)) {
        const weight = input?.factors ? equalizeColumns(values, input.factors) : values;
        const origin = { tensor, firstRow };
        const nearest = quantizeRows(weight, K, format.G, format.type, origin, recipe.scales, constraint);
        // Embedding and head have 8 bits a row: nothing a better scale would show in.
        const searched = input && recipe.round.kind !== "nearest";
        const chosen = searched ? sources.rounder.round(weight, format, origin, importance) : nearest;
        const nearestErrors = measureErrors(weight, nearest);
        sums = {
          chosen: addErrors(sums.chosen, searched ? measureErrors(weight, chosen) : nearestErrors),
          nearest: addErrors(sums.nearest, nearestErrors),
        };
        residue?.set(difference(weight, dequantizeRows(chosen)), firstRow * K);
        await writer.write(`${name}.weight_packed`, packInt32(chosen.q, format.type));
        await writer.write(`${name}.weight_scale`, encodeScales(storedScales(chosen, recipe.scales)));
      }
      errors.set(name, sums);
    }
    await writer.write(`${name}.weight_shape`, BigInt64Array.of(BigInt(N), BigInt(K)));
    if (residue) await compensate(name, residue, N, K);
  };
  const compensate = async (name: string, residue: Float32Array, N: number, K: number) => {
    const tensors = lowRankTensors(name);
    const { a, b } = lowRankFactors(residue, N, K, recipe.lorcRank);
    const [storedA, storedB] = [encodeF16(a), encodeF16(b)];
    await writer.write(tensors.a, storedA);
    await writer.write(tensors.b, storedB);
    compensated.set(name, residualEnergy(residue, { a: decodeF16(storedA), b: decodeF16(storedB) }, N, K));
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
      const inputPlan = findInput(inputs, layer, input);
      const { factors, inputScale } = inputPlan;
      const norm = precedingNorm(config, layer, input);
      if (norm !== undefined) {
        const weight = await source.all(norm);
        await writeF32(norm, factors ? equalizeNorm(weight, factors) : weight);
      }
      for (const { name, bias } of linearModules(config, layer, input)) {
        await quantizeModule(name, inputPlan);
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
  return { errors, compensated };
}

/** f32, as long as `a`. */
function difference(a: Float32Array, b: Float32Array): Float32Array {
  return a.map((value, i) => value - b[i]!);
}

/** Mean square of each channel once it is divided by its factor, f32[K]. */
export function equalizedMoment(secondMoment: Float64Array, factors: Float32Array | undefined): Float32Array {
  return Float32Array.from(secondMoment, (value, k) => value / (factors?.[k] ?? 1) ** 2);
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

  /** Counts a tensor that need not be read again as done. */
  skip(tensor: string): void {
    this.#count(this.#checkpoint.tensors.get(tensor)!.bytes);
  }

  #count(bytes: number): void {
    this.#done += bytes;
    const done = Math.min(this.#done, this.#total);
    this.#options.onProgress?.({ phase: "quantize", done, total: this.#total, unit: "bytes" });
  }

  async #read(tensor: string, begin: number, end: number): Promise<Float32Array> {
    const { signal } = this.#options;
    throwIfAborted(signal, `quantizing ${tensor}`);
    const values = await this.#checkpoint.readF32(tensor, { rows: [begin, end], signal });
    const { bytes, shape } = this.#checkpoint.tensors.get(tensor)!;
    this.#count((bytes * (end - begin)) / shape[0]!);
    return values;
  }
}
