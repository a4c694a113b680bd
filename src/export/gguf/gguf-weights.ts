/** The tensors of a GGUF: which they are, in which types, and of what each is made. */
import { blockModules, describeModel, type LinearModule } from "../../architecture/description.ts";
import { familyOf } from "../../architecture/families.ts";
import { ggufNames } from "../../architecture/gguf-tensor-names.ts";
import { interleavedRow } from "../../architecture/gguf-permute.ts";
import { tensorsOf } from "../../architecture/tensors.ts";
import type { Checkpoint } from "../../checkpoint/checkpoint.ts";
import { encodeF16 } from "../../checkpoint/formats/float-formats.ts";
import { GGML_TYPES } from "../../checkpoint/gguf/ggml-types.ts";
import { lowRank } from "../../checkpoint/quantization/low-rank.ts";
import { readWeights } from "../../checkpoint/quantization/read-weights.ts";
import { NumericError, throwIfAborted, UnsupportedModelError } from "../../errors.ts";
import { BLOCK, type BlockType, type EncodedBlocks, keepsCodes, keptToBlocks, roundToBlocks } from "./block-encoders.ts";
import type { GgufTensorPlan } from "./gguf-header.ts";

/** What matrices become; vectors, norms and positions are F32 everywhere. */
export const EXPORT_TYPES = ["F32", "F16", "Q8_0", "Q4_0", "Q4_1"] as const;
/** Types of weights a GGUF is written with. */
export type ExportType = (typeof EXPORT_TYPES)[number];

/** Embedding and head have more bits than the blocks: what is lost there is lost for every token. */
const HEAD_TYPES: Readonly<Record<ExportType, ExportType>> = {
  F32: "F32",
  F16: "F16",
  Q8_0: "Q8_0",
  Q4_0: "Q8_0",
  Q4_1: "Q8_0",
};

/** From here on the nearest float16 is infinity. */
const F16_LIMIT = 65_520;

/** Values read at once, in elements. */
const CHUNK = 2 ** 20;

/** A tensor of the file and where it comes from. */
export interface GgufWeights extends GgufTensorPlan {
  /** Hugging Face names of tensors, whose rows follow one another; or the values themselves. */
  readonly from: readonly string[] | Float32Array;
  /** The linear module whose weights it is. */
  readonly module: LinearModule | undefined;
  readonly rows: number;
  readonly columns: number;
  /** Head dimension, if the rows of each head are interleaved. */
  readonly interleavedBy: number | undefined;
}

/**
 * @param factors divisors of rotary frequencies by tensor, which come first
 * @throws UnsupportedModelError for weights that a GGUF has no place for
 */
export function planWeights(
  checkpoint: Checkpoint,
  type: ExportType,
  factors: ReadonlyMap<string, readonly number[]>,
): GgufWeights[] {
  const { config, name: where } = checkpoint;
  const family = familyOf(config.architecture);
  const description = describeModel(config);
  const names = ggufNames(family, config);
  const modules = new Map([description.embedding, description.head ?? [], ...blockModules(description)].flat().map((m) => [m.name, m])); // prettier-ignore
  for (const module of modules.values()) {
    if (lowRank(checkpoint.tensors, module) > 0)
      throw new UnsupportedModelError(
        `${where}: ${module.name}: got a low-rank term beside its weights, which no GGUF has a place for`,
      );
  }
  if (config.online)
    throw new UnsupportedModelError(`${where}: got a model with online transforms, which no GGUF has a place for`);

  const weights = Array.from(factors, ([name, values]) => plan(name, "F32", { from: Float32Array.from(values), rows: 1, columns: values.length })); // prettier-ignore
  const heads = new Map<string, string[]>();
  for (const { name, shape, role } of tensorsOf(description, { storage: () => undefined, rank: () => 0, kvCache: false })) {
    const part = /^(.+\.norms\.)\d+(\.weight)$/.exec(name);
    if (part) {
      // Norms of the heads become one tensor.
      const all = `${part[1]}*${part[2]}`;
      heads.set(all, [...(heads.get(all) ?? []), name]);
      continue;
    }
    const ggufName = nameOf(names, name, where);
    const module = role === "weight" ? modules.get(name.replace(/\.weight$/, "")) : undefined;
    const isHead = module === description.embedding || module === description.head;
    const wanted = module === undefined ? "F32" : isHead ? HEAD_TYPES[type] : type;
    const isInterleaved = family.gguf?.interleavedHeads === true && /\.attn_[qk]\./.test(ggufName);
    const [rows, columns] = shape.length === 1 ? [1, shape[0]!] : [shape[0]!, shape.slice(1).reduce((a, b) => a * b, 1)];
    const isVector = shape.length === 1;
    weights.push(
      plan(ggufName, wanted, { from: [name], rows, columns, isVector, module, interleavedBy: isInterleaved ? config.headDim : undefined }), // prettier-ignore
    );
  }
  for (const [name, from] of heads)
    weights.push(plan(nameOf(names, name, where), "F32", { from, rows: from.length, columns: config.headDim }));
  return weights;
}

function nameOf(names: ReadonlyMap<string, string>, name: string, where: string): string {
  const found = names.get(name);
  if (found !== undefined) return found;
  throw new UnsupportedModelError(`${where}: tensor ${name}: got one that has no name in a GGUF`);
}

interface Shape extends Pick<GgufWeights, "from" | "rows" | "columns"> {
  readonly isVector?: boolean;
  readonly module?: LinearModule | undefined;
  readonly interleavedBy?: number | undefined;
}

/** Rows that blocks do not divide are F16, as llama.cpp has them. */
function plan(name: string, wanted: ExportType, { isVector, module, interleavedBy, ...shape }: Shape): GgufWeights {
  const isBlocks = wanted !== "F32" && wanted !== "F16";
  const type: ExportType = isBlocks && shape.columns % BLOCK !== 0 ? "F16" : wanted;
  const [typeId, found] = [...GGML_TYPES].find(([, { name: label }]) => label === type)!;
  const elements = shape.rows * shape.columns;
  const isFlat = isVector || shape.from instanceof Float32Array;
  return {
    ...shape,
    name,
    typeId,
    type: found,
    dims: isFlat ? [shape.columns] : [shape.columns, shape.rows],
    bytes: (elements / found.blockElements) * found.blockBytes,
    module,
    interleavedBy,
  };
}

/**
 * The bytes of a tensor, some rows at a time, in the order of the file.
 *
 * @throws NumericError for values that are not finite, or too large for the type
 */
export async function* encodeWeights(
  checkpoint: Checkpoint,
  weights: GgufWeights,
  signal?: AbortSignal,
): AsyncGenerator<EncodedBlocks, void, void> {
  const { from, rows, columns, interleavedBy } = weights;
  if (from instanceof Float32Array) return void (yield { bytes: encodeFloats(weights, from, checkpoint.name), rounded: 0 });
  if (from.length > 1 || weights.dims.length === 1) {
    for (const name of from) {
      const values = await checkpoint.readF32(name, { signal });
      yield { bytes: encodeFloats(weights, interleaved(values, 1, interleavedBy), checkpoint.name), rounded: 0 };
    }
    return;
  }
  const unit = interleavedBy ?? 1;
  const rowsAtOnce = Math.max(unit, Math.floor(CHUNK / columns / unit) * unit);
  for (let begin = 0; begin < rows; begin += rowsAtOnce) {
    throwIfAborted(signal, "export");
    const range = [begin, Math.min(rows, begin + rowsAtOnce)] as const;
    const { bytes, rounded } = await encodeRows(checkpoint, weights, range, signal);
    yield { bytes: interleaved(bytes, bytes.length / (range[1] - range[0]), interleavedBy), rounded };
  }
}

/** Rows in the checkpoint's order. */
async function encodeRows(
  checkpoint: Checkpoint,
  weights: GgufWeights,
  rows: readonly [number, number],
  signal: AbortSignal | undefined,
): Promise<EncodedBlocks> {
  const { module, type, columns, from } = weights;
  const form = module && checkpoint.keptForm(module.name);
  const blocks: string = type.name;
  if (module && form && keepsCodes(blocks, form) && !(await checkpoint.readKeptOrder?.(module.name, signal))) {
    const kept = await checkpoint.readKept(module.name, { rows, signal });
    if (kept.arrays[1] instanceof Float32Array) checkRange(weights, kept.arrays[1], checkpoint.name);
    return keptToBlocks(blocks, form, kept, columns);
  }
  const values = module
    ? await readWeights(checkpoint, module, { rows, signal })
    : await checkpoint.readF32((from as readonly string[])[0]!, { rows, signal });
  return { bytes: encodeFloats(weights, values, checkpoint.name), rounded: 0 };
}

function encodeFloats(weights: GgufWeights, values: Float32Array, where: string): Uint8Array {
  const { type } = weights;
  checkRange(weights, values, where);
  if (type.name === "F32") return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return type.name === "F16" ? encodeF16(values) : roundToBlocks(type.name as BlockType, values);
}

/** @throws NumericError for weights, or their scales, that are none or have no float16 near them */
function checkRange({ name, type }: GgufWeights, values: Float32Array, where: string): void {
  const limit = type.name === "F32" ? Infinity : F16_LIMIT;
  let wrong: number | undefined;
  for (let i = 0; i < values.length; i++) if (!(Math.abs(values[i]!) < limit)) wrong = values[i]!;
  if (wrong === undefined) return;
  throw new NumericError(
    `${where}: weights of ${name}: got ${wrong}, need finite numbers${limit < Infinity ? ` below ${limit} for ${type.name}` : ""}`,
  );
}

/** Rows of some heads, from the halves of each to neighbours. */
function interleaved<T extends Uint8Array | Float32Array>(data: T, rowLength: number, headDim: number | undefined): T {
  if (headDim === undefined) return data;
  const moved = data.slice() as T;
  for (let row = 0; row < data.length / rowLength; row++) {
    moved.set(data.subarray(row * rowLength, (row + 1) * rowLength), interleavedRow(row, headDim) * rowLength);
  }
  return moved;
}
