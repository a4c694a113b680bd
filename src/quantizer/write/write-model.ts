/**
 * Writes every tensor of a quantized model, in the order of the plan: each role in its own way, modules
 * rounded as they come.
 */
import { familyOf } from "../../architecture/families.ts";
import { lowRankTensors } from "../../architecture/tensors.ts";
import { decodeF16, encodeF16 } from "../../checkpoint/formats/float-formats.ts";
import type { SafetensorsWriter } from "../../checkpoint/safetensors/safetensors-writer.ts";
import { RecipeError } from "../../errors.ts";
import type { ModulePlan, PlannedTensor, QuantizationPlan } from "../decide/quantization-plan.ts";
import { SCALE_STORAGE } from "../recipe/scale-type.ts";
import { lowRankFactors, residualEnergy } from "../round/lorc.ts";
import { dequantizeStored, mapParts, type StoredArray, type StoredModule } from "../round/module-rows.ts";
import { rowFormat, type RoundedRowsSource } from "./rounded-rows.ts";
import type { RowReader } from "./row-reader.ts";
import { reorderRows, type RowOrder } from "./stored-rows.ts";

/** What rounds to infinity in float16 begins here. */
const F16_OVERFLOW = 65520;

export interface ModelSources {
  /** The float model as it was transformed. */
  readonly reader: RowReader;
  readonly rows: RoundedRowsSource;
  readonly rowOrder: RowOrder;
}

/**
 * @returns the sum of squares that low-rank terms leave of a module's error, by module name
 * @throws RecipeError for NaN or infinity in a tensor, or a value float16 cannot hold; CheckpointError;
 *   AbortError
 */
export async function writeModel(
  plan: QuantizationPlan,
  sources: ModelSources,
  writer: SafetensorsWriter,
): Promise<ReadonlyMap<string, number>> {
  const model = new ModelWriter(plan, sources, writer);
  for (const tensor of plan.tensors) await model.write(tensor);
  return model.compensated;
}

class ModelWriter {
  readonly compensated = new Map<string, number>();
  readonly #plan: QuantizationPlan;
  readonly #sources: ModelSources;
  readonly #writer: SafetensorsWriter;
  readonly #cacheScales: ReadonlyMap<string, number>;
  /** What rounding left of the module written last, f32[N, K]. */
  #residue: Float32Array | undefined;

  constructor(plan: QuantizationPlan, sources: ModelSources, writer: SafetensorsWriter) {
    this.#plan = plan;
    this.#sources = sources;
    this.#writer = writer;
    const { blocks } = plan.description;
    const scales = plan.cache?.flatMap((ofLayer, layer): [string, number][] => {
      if (!ofLayer) return [];
      const { kScale, vScale } = ofLayer;
      const { attention } = blocks[layer]!;
      return [
        [`${attention}.k_scale`, kScale],
        [`${attention}.v_scale`, vScale],
      ];
    });
    this.#cacheScales = new Map(scales);
  }

  async write(tensor: PlannedTensor): Promise<void> {
    const { name, role } = tensor;
    switch (role) {
      case "packed":
        return this.#writeCodes(this.#moduleOf(name));
      case "scale":
      case "whole_scale":
      case "whole_minimum":
      case "multiplier":
        return; // written with the codes
      case "shape": {
        const { outFeatures: N, inFeatures: K } = this.#moduleOf(name).module;
        return this.#writer.write(name, BigInt64Array.of(BigInt(N), BigInt(K)));
      }
      case "input_scale":
        return this.#writer.write(name, Float32Array.of(this.#moduleOf(name).input!.inputScale!));
      case "cache_scale":
        return this.#writer.write(name, Float32Array.of(this.#cacheScales.get(name)!));
      case "low_rank":
        return this.#writeLowRank(name);
      case "weight":
        return this.#writeFloats(tensor, F16_OVERFLOW, encodeF16);
      case "bias":
        return this.#writeFloats(tensor, Infinity, (values) => reorderRows(values, this.#orderOf(name)));
      case "norm":
        return this.#writeFloats(tensor, Infinity, (values) => this.#storedNorm(values));
      case "positions":
      case "convolution":
        return this.#writeFloats(tensor, Infinity, (values) => values);
    }
  }

  /** What a reader of the file adds to a norm's weights is taken from them, in float32. */
  #storedNorm(values: Float32Array): Float32Array {
    const { storedNorms } = familyOf(this.#plan.description.config.architecture);
    return storedNorms === "less_one" ? values.map((value) => value - 1) : values;
  }

  /** The module that a tensor belongs to: `${module}.weight_packed`. */
  #moduleOf(tensor: string): ModulePlan {
    return this.#plan.modules.get(tensor.slice(0, tensor.lastIndexOf(".")))!;
  }

  #orderOf(tensor: string): ArrayLike<number> | undefined {
    return this.#sources.rowOrder(this.#moduleOf(tensor).module);
  }

  /** Codes and scales of a module, and what they leave, if a low-rank term is to make up for it. */
  async #writeCodes(plan: ModulePlan): Promise<void> {
    const { recipe } = this.#plan;
    const { name, outFeatures: N, inFeatures: K } = plan.module;
    const format = rowFormat(plan, plan.scheme!, recipe);
    const order = this.#sources.rowOrder(plan.module);
    const later: StoredModule[] = [];
    this.#residue = plan.input && recipe.lorcRank > 0 ? new Float32Array(N * K) : undefined;
    for await (const { firstRow, weight, stored } of this.#sources.rows.rows(plan, this.#residue !== undefined)) {
      // Rows that change places are written when all are there.
      if (order) later.push(stored);
      else await this.#writeRows(name, stored);
      if (!weight) continue;
      const rounded = dequantizeStored(stored, format);
      const left = weight.map((value, i) => value - rounded[i]!);
      this.#residue!.set(left, firstRow * K);
    }
    if (!order) return;
    const whole = mapParts(later[0]!, (_, part) => joined(later.map((stored) => stored[part]!)));
    await this.#writeRows(
      name,
      mapParts(whole, (array) => reorderRows(array, order)),
    );
  }

  /** Scales and multipliers, which are floats, in the type that the recipe has for them. */
  async #writeRows(module: string, stored: StoredModule): Promise<void> {
    const { encode } = SCALE_STORAGE[this.#plan.recipe.scales];
    for (const [part, array] of Object.entries(stored)) {
      await this.#writer.write(`${module}.${part}`, array instanceof Float32Array ? encode(array) : array);
    }
  }

  /** Both factors of the term beside the module written last, when the first is due. */
  async #writeLowRank(tensor: string): Promise<void> {
    const module = tensor.slice(0, tensor.lastIndexOf(".lora_"));
    const tensors = lowRankTensors(module);
    if (tensor !== tensors.a) return;
    const linear = this.#plan.modules.get(module)!.module;
    const { outFeatures: N, inFeatures: K } = linear;
    const { a, b } = lowRankFactors(this.#residue!, N, K, this.#plan.recipe.lorcRank);
    const order = this.#sources.rowOrder(linear);
    const [storedA, storedB] = [encodeF16(a), encodeF16(b)];
    await this.#writer.write(tensors.a, storedA);
    await this.#writer.write(tensors.b, order ? encodeF16(reorderRows(b, order)) : storedB);
    const kept = { a: decodeF16(storedA), b: decodeF16(storedB) };
    this.compensated.set(module, residualEnergy(this.#residue!, kept, N, K));
  }

  /** @param limit magnitudes from here on cannot be stored */
  async #writeFloats(
    { name, shape: [, K = 1] }: PlannedTensor,
    limit: number,
    encode: (values: Float32Array) => ArrayBufferView,
  ): Promise<void> {
    for await (const { values, firstRow } of this.#sources.reader.blocks(name)) {
      checkValues(values, name, firstRow * K, limit);
      await this.#writer.write(name, encode(values));
    }
  }
}

/**
 * @throws RecipeError naming tensor and index of the first value that is NaN or not below `limit` in
 *   magnitude
 */
function checkValues(values: Float32Array, tensor: string, firstIndex: number, limit: number): void {
  const index = values.findIndex((value) => !(Math.abs(value) < limit));
  if (index < 0) return;
  const value = values[index]!;
  const need = Number.isFinite(value) ? `less than ${limit} for float16, or an embedding of int8` : "finite values";
  throw new RecipeError(`${tensor}: got ${value} at element ${firstIndex + index}, need ${need}`);
}

function joined(parts: readonly StoredArray[]): StoredArray {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const all = new (parts[0]!.constructor as Uint8ArrayConstructor)(length) as StoredArray;
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
