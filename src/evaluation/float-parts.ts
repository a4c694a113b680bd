/**
 * A quantized model with some of its parts put back to float: a view of its checkpoint that takes these parts
 * from the model it was made of.
 */
import { allInputs, type Block, type Description, describeModel, type Norm } from "../architecture/description.ts";
import type { Checkpoint, TensorInfo } from "../checkpoint/checkpoint.ts";
import { checkpointView } from "../checkpoint/checkpoint-view.ts";
import type { QuantizationScheme } from "../checkpoint/quantization/quantization-config.ts";
import type { KvPrecision } from "../model/precision.ts";

/**
 * What is quantized in a model, in the order in which it is put back: the weights of the blocks' linear
 * layers, what each of these layers reads, the two halves of the cache, the head with its input, the
 * embedding.
 */
export const MODEL_PARTS = ["weights", "qkv", "o", "up", "down", "keys", "values", "head", "embedding"] as const;
/** Part of a quantized model that can be put back to float. */
export type ModelPart = (typeof MODEL_PARTS)[number];

/**
 * The parts to look at: all but inputs and halves of the cache that are floats already. Other floats may have
 * been rounded to 16 bits.
 */
export function quantizedParts({ config, quantization }: Checkpoint): ModelPart[] {
  const inputs = allInputs(describeModel(config));
  return MODEL_PARTS.filter((part) => {
    if (part === "keys" || part === "values") return (quantization?.kvCache ?? "f32") !== "f32";
    if (part === "weights" || part === "head" || part === "embedding") return true;
    const modules = inputs.filter(({ name }) => name === part).flatMap((input) => input.modules);
    return modules.some(({ name }) => (quantization?.linear(name)?.activations.kind ?? "none") !== "none");
  });
}

/** What a tensor, or a module, of the view is in one of the two checkpoints. */
interface Source {
  readonly from: Checkpoint;
  readonly name: string;
}

/** Both checkpoints, and which of the parts come from the base. */
export interface FloatParts {
  readonly quantized: Checkpoint;
  /** The float model, with the transform that the quantized one has (`fitTransform`). */
  readonly base: Checkpoint;
  readonly parts: ReadonlySet<ModelPart>;
}

/**
 * Makes the view; closing it closes the quantized checkpoint. The cache is not a checkpoint's: the precision
 * it is to be loaded with is `floatCache`.
 */
export function withFloatParts({ quantized, base, parts }: FloatParts): Checkpoint {
  const weights = parts.has("weights") ? base : quantized;
  const ends = { embedding: parts.has("embedding") ? base : quantized, head: parts.has("head") ? base : quantized };
  // The two are one matrix only while they come from one model that has them so.
  const tiedEmbedding = ends.embedding === ends.head && ends.head.config.tiedEmbedding;
  const config = { ...quantized.config, tiedEmbedding, headBias: ends.head.config.headBias };
  const description = describeModel(config);
  const modules = moduleSources(description, weights, ends);
  const tensors = tensorSources(description, { quantized, weights, ...ends, modules });
  const infos = [...tensors].map(([name, source]) => [name, { ...source.from.tensors.get(source.name)!, name }] as const);
  const read = (name: string) => tensors.get(name) ?? { from: quantized, name };
  const moduleOf = (name: string) => modules.get(name) ?? { from: quantized, name };
  return checkpointView(quantized, {
    config,
    tensors: new Map<string, TensorInfo>(infos),
    quantization: partScheme(description, { quantized, parts, modules }),
    readF32: (tensor, options) => read(tensor).from.readF32(read(tensor).name, options),
    readRaw: (tensor, options) => read(tensor).from.readRaw(read(tensor).name, options),
    keptForm: (module) => (moduleOf(module).from === quantized ? quantized.keptForm(moduleOf(module).name) : undefined),
    readKept: (module, options) => quantized.readKept(moduleOf(module).name, options),
  });
}

/** What the cache is to be loaded with; a half that is not named, as the checkpoint says. */
export function floatCache(parts: ReadonlySet<ModelPart>): Partial<KvPrecision> {
  return { ...(parts.has("keys") && { k: "f32" }), ...(parts.has("values") && { v: "f32" }) };
}

interface Ends {
  readonly embedding: Checkpoint;
  readonly head: Checkpoint;
}

/** Where each linear module comes from. A head that is the embedding there may be one of its own here. */
function moduleSources(description: Description, weights: Checkpoint, ends: Ends): Map<string, Source> {
  const { embedding, head } = description;
  const inBlocks = allInputs(description).flatMap(({ modules }) => modules);
  return new Map([
    ...inBlocks.map(({ name }) => [name, { from: weights, name }] as const),
    ...(head ? [[head.name, { from: ends.head, name: describeModel(ends.head.config).head!.name }] as const] : []),
    [embedding.name, { from: ends.embedding, name: embedding.name }],
  ]);
}

interface TensorOrigins extends Ends {
  readonly quantized: Checkpoint;
  readonly weights: Checkpoint;
  readonly modules: ReadonlyMap<string, Source>;
}

/** Where each tensor of the view comes from, in the order data flows. */
function tensorSources(description: Description, origins: TensorOrigins): Map<string, Source> {
  const { positions, embeddingNorm, blocks, finalNorm } = description;
  const sources = new Map<string, Source>();
  const take = (from: Checkpoint, names: readonly (string | undefined)[]) => {
    for (const name of names) if (name !== undefined && from.tensors.has(name)) sources.set(name, { from, name });
  };
  for (const [module, { from, name }] of origins.modules) {
    for (const tensor of from.tensors.keys()) {
      if (tensor.startsWith(`${name}.`)) sources.set(`${module}${tensor.slice(name.length)}`, { from, name: tensor });
    }
    take(origins.quantized, [`${module}.input_scale`]);
  }
  take(origins.embedding, [positions, ...normTensors(embeddingNorm)]);
  take(origins.head, normTensors(finalNorm));
  for (const block of blocks) takeBlock(block, origins, take);
  return sources;
}

/**
 * A norm of a block stays: its factors are in the columns of the base's weights. What it adds has gone
 * through the same factors in the base, and belongs to these weights.
 */
function takeBlock(
  { inputs, queryNorm, keyNorm, attention }: Block,
  { quantized, weights }: TensorOrigins,
  take: (from: Checkpoint, names: readonly (string | undefined)[]) => void,
): void {
  for (const { from, outputNorm } of inputs) {
    take(weights, normTensors(outputNorm));
    if (typeof from === "string") continue;
    take(quantized, [from.weight]);
    take(weights, [from.bias]);
  }
  for (const norm of [queryNorm, keyNorm]) take(weights, norm?.weights.map(({ tensor }) => tensor) ?? []);
  take(quantized, [`${attention}.k_scale`, `${attention}.v_scale`]);
}

function normTensors(norm: Norm | undefined): (string | undefined)[] {
  return [norm?.weight, norm?.bias];
}

/** The scheme of modules that stay; of those in float, what their inputs are rounded to. */
function partScheme(
  description: Description,
  { quantized, parts, modules }: Pick<FloatParts, "quantized" | "parts"> & { readonly modules: ReadonlyMap<string, Source> },
): QuantizationScheme | undefined {
  const scheme = quantized.quantization;
  if (!scheme) return undefined;
  const inputs = allInputs(description).flatMap(({ name: part, modules: readers }) =>
    readers.map(({ name }) => [name, part] as const),
  );
  const inputOf = new Map(inputs);
  const isFloatInput = (module: string) => inputOf.has(module) && parts.has(inputOf.get(module)!);
  return {
    kvCache: scheme.kvCache,
    linear(module) {
      const { from, name } = modules.get(module) ?? { from: quantized, name: module };
      const found = from === quantized ? scheme.linear(name) : undefined;
      return found && isFloatInput(module) ? { ...found, activations: { kind: "none" } } : found;
    },
    floatLinearInput(module) {
      const found = inputOf.has(module) && !isFloatInput(module) ? scheme.linear(module) : undefined;
      return found?.activations ?? { kind: "none" };
    },
  };
}
