/**
 * Everything that is decided before the first weight is read: how each input is equalized and scaled, how
 * each module is stored, and which tensors the checkpoint will have. Plain data; the rounder and the writer
 * only carry it out.
 */
import { allInputs, type Description, type LinearModule } from "../../architecture/description.ts";
import { type ModelTensor, tensorsOf } from "../../architecture/tensors.ts";
import { isFloat8 } from "../../checkpoint/formats/float8.ts";
import { WEIGHT_BITS } from "../../checkpoint/quantization/pack-quantized.ts";
import { type ActivationBits, type LinearScheme, staticCacheBits } from "../../checkpoint/quantization/quantization-config.ts";
import { superblockOf } from "../../checkpoint/quantization/two-level.ts";
import type { TensorPlan } from "../../checkpoint/safetensors/safetensors-writer.ts";
import { absmax, type ActivationStats } from "../calibrate/activation-stats.ts";
import { type ActivationType, type Recipe, storedType } from "../recipe/recipe.ts";
import { SCALE_STORAGE } from "../recipe/scale-type.ts";
import { equalizedRange } from "../transform/equalize.ts";
import { staticScale } from "./activation-scale.ts";
import type { InputAnalysis } from "./analyze-inputs.ts";
import type { PolicyRow } from "./policy.ts";

/** One linear input, with all decisions about it. */
export interface InputPlan extends PolicyRow {
  /** Weights that share a scale; K for one scale per row. */
  readonly groupSize: number;
  /** How the weights are stored, where that is not the recipe's. */
  readonly weights?: Recipe["weights"];
  /** s of the equalization, f32[K]; undefined if the input is not equalized. */
  readonly factors: Float32Array | undefined;
  /** The largest magnitude, after equalization if there is any. */
  readonly equalizedRange: number;
  /** The range a static scale covers: that, or a smaller one that was searched. */
  readonly staticRange: number;
  /** Undefined unless the input is static. */
  readonly inputScale: number | undefined;
}

/** What was searched for an input, in place of what its analysis says. */
export interface SearchedInput {
  readonly factors?: Float32Array | undefined;
  /** Finds the range of a static scale from the largest magnitude after equalization. */
  readonly searchRange?: ((largest: number, factors: Float32Array | undefined) => number) | undefined;
}

/** How the codes of an input and its weights are: sizes that its scales depend on. */
export interface InputSizes {
  /** Weights that share a scale; K for one scale per row. */
  readonly groupSize: number;
  /** What a static scale is for: int4 activations have codes of 4 bits. */
  readonly activations: ActivationType;
}

/** Bits of codes under a static scale. */
export function staticBits(activations: ActivationType): ActivationBits {
  return activations === "int4" ? 4 : 8;
}

export function planInput(
  { channelAbsmax, factors: ownFactors }: InputAnalysis,
  row: PolicyRow,
  { groupSize, activations }: InputSizes,
  { factors = ownFactors, searchRange = (largest) => largest }: SearchedInput = {},
): InputPlan {
  const used = row.policy.equalize ? factors : undefined;
  const range = equalizedRange(channelAbsmax, used);
  const staticRange = searchRange(range, used);
  const inputScale = row.policy.kind === "static" ? staticScale(staticRange, staticBits(activations)) : undefined;
  return { ...row, groupSize, factors: used, equalizedRange: range, staticRange, inputScale };
}

export interface CacheScales {
  /** max|k| after RoPE and max|v| over all calibration tokens; the scales cover them, or most of them. */
  readonly kRange: number;
  readonly vRange: number;
  readonly kScale: number;
  readonly vScale: number;
}

/** How one linear module is stored. */
export interface ModulePlan {
  readonly module: LinearModule;
  /** undefined for one that stays float */
  readonly scheme: LinearScheme | undefined;
  /** What it reads; undefined for the embedding and the head, of which no input is planned. */
  readonly input: InputPlan | undefined;
}

/** A tensor that will be written. */
export type PlannedTensor = TensorPlan & Pick<ModelTensor, "role">;

export interface QuantizationPlan {
  readonly description: Description;
  readonly recipe: Recipe;
  /** In the order data flows, as are the modules. */
  readonly inputs: readonly InputPlan[];
  /**
   * One per layer, undefined for one without attention; undefined if the recipe keeps the cache in float.
   */
  readonly cache: readonly (CacheScales | undefined)[] | undefined;
  /** By name of the module. */
  readonly modules: ReadonlyMap<string, ModulePlan>;
  /** In the order they are written. */
  readonly tensors: readonly PlannedTensor[];
}

/** Ranges of the cache of a layer that were searched. */
export interface CacheRanges {
  readonly k: number;
  readonly v: number;
}

/**
 * @param inputs every linear input of the model, in the order data flows
 * @param ranges of the cache, by layer, in place of the largest magnitudes
 */
export function planQuantization(
  description: Description,
  stats: ActivationStats,
  inputs: readonly InputPlan[],
  recipe: Recipe,
  ranges?: readonly (CacheRanges | undefined)[],
): QuantizationPlan {
  const bits = staticCacheBits(recipe.kvCache);
  const cache = bits === undefined ? undefined : stats.map((layer, l) => cacheScales(layer, ranges?.[l], bits));
  const modules = planModules(description, inputs, recipe);
  const tensors = planTensors(description, recipe, modules);
  return { description, recipe, inputs, cache, modules, tensors };
}

function cacheScales(
  { k, v }: ActivationStats[number],
  ranges: CacheRanges | undefined,
  bits: ActivationBits,
): CacheScales | undefined {
  if (!k || !v) return undefined;
  const [kRange, vRange] = [absmax(k), absmax(v)];
  const scale = (range: number) => staticScale(range, bits);
  return { kRange, vRange, kScale: scale(ranges?.k ?? kRange), vScale: scale(ranges?.v ?? vRange) };
}

function planModules(description: Description, inputs: readonly InputPlan[], recipe: Recipe): Map<string, ModulePlan> {
  const { embedding, projectIn, projectOut, head } = description;
  const plans: ModulePlan[] = [];
  const perRow = (kind: "none" | "dynamic"): LinearScheme | undefined =>
    recipe.embedding === "q8" ? { weights: "int8", groupSize: "channel", activations: { kind } } : undefined;
  // An embedding has no input to quantize; a tied head that runs in int8 quantizes its own.
  plans.push({ module: embedding, scheme: perRow("none"), input: undefined });
  for (const module of [projectIn, projectOut]) if (module) plans.push({ module, scheme: undefined, input: undefined });
  for (const [i, { modules }] of allInputs(description).entries()) {
    const input = inputs[i]!;
    for (const module of modules) plans.push({ module, scheme: inputScheme(input, recipe), input });
  }
  if (head && head !== embedding) plans.push({ module: head, scheme: perRow("dynamic"), input: undefined });
  return new Map(plans.map((plan) => [plan.module.name, plan]));
}

function inputScheme(input: InputPlan, recipe: Recipe): LinearScheme {
  const { policy, groupSize, weights = recipe.weights } = input;
  const stored = recipe.groupSize === "channel" || weights === "int8" ? "channel" : groupSize;
  const float8 = policy.kind === "dynamic" && isFloat8(recipe.activations) ? recipe.activations : undefined;
  const isInt4 = policy.kind === "static" && recipe.activations === "int4";
  const activations = isInt4 ? ({ kind: "static", bits: 4 } as const) : { kind: float8 ?? policy.kind };
  return { weights: storedType(weights), groupSize: stored, activations };
}

/** Roles whose type the recipe chooses. */
type ScaleRole = "scale" | "multiplier";
const isScale = (role: ModelTensor["role"]): role is ScaleRole => role === "scale" || role === "multiplier";

const TENSOR_TYPES: Readonly<Record<Exclude<ModelTensor["role"], ScaleRole>, TensorPlan["type"]>> = {
  weight: "F16",
  packed: "I32",
  whole_scale: "U8",
  whole_minimum: "U8",
  shape: "I64",
  input_scale: "F32",
  low_rank: "F16",
  bias: "F32",
  norm: "F32",
  positions: "F32",
  convolution: "F32",
  cache_scale: "F32",
};

/** Names, types and shapes, in the order data flows. */
function planTensors(
  description: Description,
  recipe: Recipe,
  modules: ReadonlyMap<string, ModulePlan>,
): readonly PlannedTensor[] {
  const tensors = tensorsOf(description, {
    storage: ({ name, inFeatures: K }) => {
      const scheme = modules.get(name)?.scheme;
      if (!scheme) return undefined;
      const { weights, groupSize, activations } = scheme;
      const superblock = weights === "int4m" ? superblockOf(K) : undefined;
      return { bits: WEIGHT_BITS[weights], groupSize, superblock, inputScale: activations.kind === "static" };
    },
    rank: ({ name }) => (modules.get(name)?.input ? recipe.lorcRank : 0),
    kvCache: staticCacheBits(recipe.kvCache) !== undefined,
  });
  return tensors.map(({ name, shape, role }) => {
    const type = isScale(role) ? SCALE_STORAGE[recipe.scales].tensorType : TENSOR_TYPES[role];
    return { name, type, shape, role };
  });
}
