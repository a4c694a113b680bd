/**
 * Everything that is decided before the first weight is read: how each input is equalized and scaled, how each module is stored,
 * and which tensors the checkpoint will have. Plain data; the rounder and the writer only carry it out.
 */
import { isFloat8 } from "../../checkpoint/formats/float8.ts";
import { lowRankTensors } from "../../checkpoint/quantization/low-rank.ts";
import type { ModelConfig } from "../../architecture/model-config.ts";
import type { LinearScheme } from "../../checkpoint/quantization/quantization-config.ts";
import { WEIGHT_BITS } from "../../checkpoint/quantization/pack-quantized.ts";
import type { TensorPlan } from "../../checkpoint/safetensors/safetensors-writer.ts";
import {
  allLinearModules,
  attentionModule,
  EMBEDDING,
  FINAL_NORM,
  HEAD,
  layerNorms,
  type LinearInput,
  linearModules,
} from "../../architecture/tensor-names.ts";
import { staticScale } from "./activation-scale.ts";
import { absmax, type ActivationStats } from "../calibrate/activation-stats.ts";
import type { InputAnalysis } from "./analyse.ts";
import { equalizedRange } from "../transform/equalize.ts";
import type { PolicyRow } from "./policy.ts";
import type { Recipe } from "../recipe/recipe.ts";
import { SCALE_STORAGE } from "../recipe/scale-type.ts";

/** One linear input, with all decisions about it. */
export interface InputPlan extends PolicyRow {
  /** Weights that share a scale; K for one scale per row. */
  readonly groupSize: number;
  /** s of the equalization, f32[K]; undefined if the input is not equalized. */
  readonly factors: Float32Array | undefined;
  /** The range a static scale covers: after equalization, if there is any. */
  readonly equalizedRange: number;
  /** Undefined unless the input is static. */
  readonly inputScale: number | undefined;
}

/** @param factors in place of the analysis' own, where the method searches them */
export function planInput(
  { channelAbsmax, factors: ownFactors }: InputAnalysis,
  row: PolicyRow,
  groupSize: number,
  factors = ownFactors,
): InputPlan {
  const used = row.policy.equalize ? factors : undefined;
  const range = equalizedRange(channelAbsmax, used);
  const inputScale = row.policy.kind === "static" ? staticScale(range) : undefined;
  return { ...row, groupSize, factors: used, equalizedRange: range, inputScale };
}

export interface CacheScales {
  /** max|k| after RoPE and max|v| over all calibration tokens, and the scales that cover them. */
  readonly kRange: number;
  readonly vRange: number;
  readonly kScale: number;
  readonly vScale: number;
}

export interface QuantizationPlan {
  readonly config: ModelConfig;
  readonly recipe: Recipe;
  /** In the order data flows. */
  readonly inputs: readonly InputPlan[];
  /** One per layer; undefined if the recipe keeps the cache in float. */
  readonly cache: readonly CacheScales[] | undefined;
  /** How each module is stored, for `quantization_config`; undefined for one that stays float. */
  readonly modules: ReadonlyMap<string, LinearScheme | undefined>;
  /** In the order they are written. */
  readonly tensors: readonly TensorPlan[];
}

/** @param inputs every linear input of the model, in the order data flows */
export function planQuantization(
  config: ModelConfig,
  stats: ActivationStats,
  inputs: readonly InputPlan[],
  recipe: Recipe,
): QuantizationPlan {
  const cache = recipe.kvCache === "q8" ? stats.map(cacheScales) : undefined;
  const modules = planModules(config, inputs, recipe);
  return { config, recipe, inputs, cache, modules, tensors: planTensors(config, recipe, modules, cache !== undefined) };
}

function cacheScales({ k, v }: ActivationStats[number]): CacheScales {
  const [kRange, vRange] = [absmax(k), absmax(v)];
  return { kRange, vRange, kScale: staticScale(kRange), vScale: staticScale(vRange) };
}

export function findInput(inputs: readonly InputPlan[], layer: number, input: LinearInput): InputPlan {
  return inputs.find((plan) => plan.layer === layer && plan.input === input)!;
}

function planModules(config: ModelConfig, inputs: readonly InputPlan[], recipe: Recipe): Map<string, LinearScheme | undefined> {
  const modules = new Map<string, LinearScheme | undefined>();
  const perRow = { weights: "int8", groupSize: "channel" } as const;
  const packed = recipe.embedding === "q8";
  // An embedding has no input to quantize; a tied head that runs in int8 quantizes its own.
  if (packed) modules.set(EMBEDDING, { ...perRow, activations: { kind: "none" } });
  for (const { name, layer, input } of allLinearModules(config)) {
    const { policy, groupSize } = findInput(inputs, layer, input);
    const stored = recipe.groupSize === "channel" ? "channel" : groupSize;
    const float8 = policy.kind === "dynamic" && isFloat8(recipe.activations) ? recipe.activations : undefined;
    modules.set(name, { weights: recipe.weights, groupSize: stored, activations: { kind: float8 ?? policy.kind } });
  }
  if (!config.tiedEmbedding) modules.set(HEAD, packed ? { ...perRow, activations: { kind: "dynamic" } } : undefined);
  return modules;
}

/** Names, types and shapes, in the order data flows. */
function planTensors(
  config: ModelConfig,
  recipe: Recipe,
  modules: ReadonlyMap<string, LinearScheme | undefined>,
  cacheScaled: boolean,
): TensorPlan[] {
  const { vocabSize: V, hiddenSize: E, headDim: D } = config;
  const tensors: TensorPlan[] = [];
  const add = (name: string, type: TensorPlan["type"], ...shape: number[]): void => {
    tensors.push({ name, type, shape });
  };
  const addModule = (name: string, N: number, K: number) => {
    const scheme = modules.get(name);
    if (!scheme) return add(`${name}.weight`, "F16", N, K);
    const G = scheme.groupSize === "channel" ? K : scheme.groupSize;
    add(`${name}.weight_packed`, "I32", N, (K * WEIGHT_BITS[scheme.weights]) / 32);
    add(`${name}.weight_scale`, SCALE_STORAGE[recipe.scales].tensorType, N, K / G);
    add(`${name}.weight_shape`, "I64", 2);
    if (scheme.activations.kind === "static") add(`${name}.input_scale`, "F32", 1);
  };
  const addInput = (layer: number, input: LinearInput) => {
    for (const { name, outFeatures, inFeatures, bias } of linearModules(config, layer, input)) {
      addModule(name, outFeatures, inFeatures);
      if (recipe.lorcRank > 0) {
        const { a, b } = lowRankTensors(name);
        add(a, "F16", recipe.lorcRank, inFeatures);
        add(b, "F16", outFeatures, recipe.lorcRank);
      }
      if (bias) add(`${name}.bias`, "F32", outFeatures);
    }
  };

  addModule(EMBEDDING, V, E);
  for (let layer = 0; layer < config.layers; layer++) {
    const norms = layerNorms(config, layer);
    add(norms.attention, "F32", E);
    addInput(layer, "qkv");
    addInput(layer, "o");
    add(norms.mlp, "F32", E);
    addInput(layer, "gate_up");
    addInput(layer, "down");
    if (norms.q !== undefined) add(norms.q, "F32", D);
    if (norms.k !== undefined) add(norms.k, "F32", D);
    if (cacheScaled) for (const scale of ["k_scale", "v_scale"]) add(`${attentionModule(layer)}.${scale}`, "F32", 1);
  }
  add(FINAL_NORM, "F32", E);
  if (!config.tiedEmbedding) addModule(HEAD, V, E);
  return tensors;
}
