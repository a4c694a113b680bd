/**
 * Which tensors a checkpoint must have, by its configuration and its quantization scheme, checked before any
 * of them is read. A module of a block may have a low-rank term beside its weights (`low-rank.ts`).
 */
import { blockModules, describeModel, type LinearModule } from "../architecture/description.ts";
import { familyOf } from "../architecture/families.ts";
import type { ModelConfig } from "../architecture/model-config.ts";
import { type ModelTensor, tensorsOf } from "../architecture/tensors.ts";
import { CheckpointError, UnsupportedModelError } from "../errors.ts";
import { describe } from "../json-object.ts";
import type { TensorInfo, TensorType } from "./checkpoint.ts";
import { lowRank } from "./quantization/low-rank.ts";
import { WEIGHT_BITS } from "./quantization/pack-quantized.ts";
import { type QuantizationScheme, staticCacheBits } from "./quantization/quantization-config.ts";
import { superblockOf } from "./quantization/two-level.ts";
import { nameLike } from "./safetensors/wrapped-names.ts";

/** Element types by role, where not any float will do. */
const TYPES: Partial<Record<ModelTensor["role"], TensorType>> = {
  packed: "I32",
  shape: "I64",
  whole_scale: "U8",
  whole_minimum: "U8",
};

/**
 * Lists the tensors a checkpoint must have, in the order data flows.
 *
 * @param rank of the low-rank term beside a module; 0 for none
 * @throws CheckpointError if a group size does not divide the in_features of a module
 */
export function expectedTensors(
  config: ModelConfig,
  quantization: QuantizationScheme | undefined,
  where: string,
  rank: (module: LinearModule) => number = () => 0,
): ModelTensor[] {
  const storage = ({ name, inFeatures: K }: LinearModule) => {
    const scheme = quantization?.linear(name);
    if (!scheme) return undefined;
    const G = scheme.groupSize === "channel" ? K : scheme.groupSize;
    if (K % G !== 0) throw new CheckpointError(`${where}: ${name}: got group size ${G}, need a divisor of its ${K} in_features`);
    const superblock = scheme.weights === "int4m" ? superblockOf(K) : undefined;
    return { bits: WEIGHT_BITS[scheme.weights], groupSize: G, superblock, inputScale: scheme.activations.kind === "static" };
  };
  const inputScale = ({ name }: LinearModule) => quantization?.integers?.(name)?.activations.kind === "static";
  return tensorsOf(describeModel(config), {
    storage,
    inputScale,
    rank,
    kvCache: staticCacheBits(quantization?.kvCache) !== undefined,
  });
}

/**
 * Tensors that some writers leave in a file and that mean nothing: rotary tables, and the masks of GPT-2
 * and GPT-NeoX. The bias of a module inside (`attention.dense.bias`) is none.
 */
const MEANINGLESS = /(^|\.)rotary_emb\.(inv_freq|cos_cached|sin_cached)$|\.(attn|attention)\.(masked_)?bias$/;

const COUNTER_TYPES: ReadonlySet<TensorType> = new Set<TensorType>(["I8", "U8", "I16", "I32", "I64", "BOOL"]);
/** Tensors that are noted by name, at most. */
const MOST_NOTED = 4;

/**
 * Checks that every expected tensor is there with its shape and type, and that nothing is left that would
 * change the result. An empty tensor and a whole number on its own (a counter of steps) hold no weights.
 *
 * @returns a note of each that is left over
 * @throws CheckpointError naming the first tensor that is missing, has another shape, or does not belong to
 *   the model; UnsupportedModelError if its element type is not one for its role
 */
export function checkTensors(
  tensors: ReadonlyMap<string, TensorInfo>,
  config: ModelConfig,
  quantization: QuantizationScheme | undefined,
  where: string,
): string[] {
  const inBlocks = new Set(blockModules(describeModel(config)).map(({ name }) => name));
  const rank = (module: LinearModule) => (inBlocks.has(module.name) ? lowRank(tensors, module) : 0);
  const expected = expectedTensors(config, quantization, where, rank);
  const head = tiedHead(config, tensors, quantization, where);
  for (const { name, shape, role } of [...expected, ...head]) {
    const found = tensors.get(name);
    if (!found) throw new CheckpointError(`${where}: tensor ${name} [${shape.join(", ")}] is missing${likeIt(name, tensors)}`);
    if (!sameShape(found.shape, shape)) {
      throw new CheckpointError(
        `${found.file}: tensor ${name}: got shape [${found.shape.join(", ")}], need [${shape.join(", ")}]`,
      );
    }
    const type = TYPES[role];
    if (type === undefined) checkFloat(found);
    else if (found.type !== type) throw wrongType(found, type);
  }
  const names = new Set([...expected, ...head].map(({ name }) => name));
  const left = [...tensors.values()].filter(({ name }) => !names.has(name) && !MEANINGLESS.test(name));
  for (const { name, file, type, shape } of left) {
    const isWeight = !shape.includes(0) && !(shape.length === 0 && COUNTER_TYPES.has(type));
    if (isWeight) {
      throw new CheckpointError(
        `${file}: tensor ${name}: got a tensor with no place in this model, need only those it has: ignoring one could change the result`,
      );
    }
  }
  const more = left.length > MOST_NOTED ? [`${where}: ${left.length - MOST_NOTED} more tensors without weights`] : [];
  return [
    ...left.slice(0, MOST_NOTED).map(({ name, file }) => `${file}: tensor ${name}: holds no weights and is not used`),
    ...more,
  ];
}

/**
 * A head that is stored though it is the embedding: `settleHead` compares the two.
 *
 * @throws CheckpointError if it is stored otherwise than the quantization has it
 */
function tiedHead(
  config: ModelConfig,
  tensors: ReadonlyMap<string, TensorInfo>,
  quantization: QuantizationScheme | undefined,
  where: string,
): ModelTensor[] {
  const module = familyOf(config.architecture).names.head;
  const name = `${module}.weight`;
  if (!config.tiedEmbedding || !tensors.has(name)) return [];
  const isPacked = !tensors.has(`${familyOf(config.architecture).names.embedding}.weight`);
  if (isPacked && quantization?.linear(module))
    throw new CheckpointError(
      `${where}: tensor ${name}: got floats, need what quantization_config has for ${module}, or nothing`,
    );
  return [{ name, shape: [config.vocabSize, config.hiddenSize], role: "weight" }];
}

/** Names the tensor that may be the missing one, for a file whose names begin otherwise. */
function likeIt(missing: string, tensors: ReadonlyMap<string, TensorInfo>): string {
  const name = nameLike(missing, tensors.keys());
  return name === undefined ? "" : `: got ${describe(name)} instead, need all names as the model has them`;
}

/** The types `readF32` does not take: integers, and float64, which it could only round. */
const UNREADABLE_TYPES: ReadonlySet<TensorType> = new Set<TensorType>(["F64", "I8", "U8", "I16", "I32", "I64", "BOOL"]);

function checkFloat(tensor: TensorInfo): void {
  if (UNREADABLE_TYPES.has(tensor.type)) throw wrongType(tensor, "a float type");
}

function wrongType({ file, name, type }: TensorInfo, need: string): UnsupportedModelError {
  return new UnsupportedModelError(`${file}: tensor ${name}: got element type ${type}, need ${need}`);
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i]);
}
