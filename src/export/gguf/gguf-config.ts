/**
 * A configuration as the metadata of a GGUF: the way back of `checkpoint/gguf/gguf-model-config.ts`, whose
 * reader is asked what it makes of the result.
 */
import { familyOf } from "../../architecture/families.ts";
import type { GgufForm } from "../../architecture/family.ts";
import type { ModelConfig, RopeScaling } from "../../architecture/model-config.ts";
import { UnsupportedModelError } from "../../errors.ts";
import { LONG_FACTORS, ROPE_FACTORS, SHORT_FACTORS } from "../../checkpoint/gguf/gguf-rope-config.ts";
import type { GgufArray, GgufScalar } from "./gguf-header.ts";
import { llama3Divisors } from "./llama3-divisors.ts";

/** What a file says of a model beside its weights. */
export interface GgufConfig {
  readonly architecture: string;
  /** Without `general.architecture`. */
  readonly entries: readonly (readonly [key: string, value: GgufScalar | GgufArray])[];
  /** Divisors of rotary frequencies by the tensor that holds them. */
  readonly ropeFactors: ReadonlyMap<string, readonly number[]>;
  /** The scaling in the words of a GGUF, which has numbers where others have what these are made from. */
  readonly ropeScaling: RopeScaling;
}

/** @throws UnsupportedModelError for a family that llama.cpp does not have, or something no key says */
export function ggufFormOf({ architecture }: ModelConfig, name: string): GgufForm {
  const { gguf, className } = familyOf(architecture);
  if (gguf) return gguf;
  throw new UnsupportedModelError(`${name}: got ${className}, which has no form as a GGUF, need a family that has one`);
}

/** @throws as `ggufFormOf` */
export function ggufConfig(config: ModelConfig, name: string): GgufConfig {
  const form = ggufFormOf(config, name);
  const entries: [string, GgufScalar | GgufArray][] = [];
  const add = (key: string, value: GgufScalar | GgufArray) => void entries.push([`${form.architecture}.${key}`, value]);
  const { convolutionLayers, kvHeads, layers } = config;
  const kvHeadsOf = (layer: number) => (convolutionLayers.includes(layer) ? 0 : kvHeads);

  add("vocab_size", ["u32", config.vocabSize]);
  add("context_length", ["u32", config.contextLength]);
  add("embedding_length", ["u32", config.hiddenSize]);
  add("block_count", ["u32", layers]);
  add("feed_forward_length", ["u32", config.ffnSize]);
  add("attention.head_count", ["u32", config.heads]);
  if (form.convolutions) {
    add("attention.head_count_kv", { kind: "i32", values: Array.from({ length: layers }, (_, layer) => kvHeadsOf(layer)) });
    add("shortconv.l_cache", ["u32", config.convolutionLength]);
  } else add("attention.head_count_kv", ["u32", kvHeads]);
  add("attention.key_length", ["u32", config.headDim]);
  add("attention.value_length", ["u32", config.headDim]);
  add(config.norm === "rms" ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon", ["f32", config.rmsNormEps]);
  const window = config.attentionWindows.find((size) => size > 0) ?? (form.statesNoWindow ? 0 : undefined);
  if (window !== undefined) add("attention.sliding_window", ["u32", window]);
  if (form.traits.parallelResidual === "stated" || form.traits.parallelResidual === "by_norm")
    add("use_parallel_residual", ["bool", config.parallelResidual]);
  if (form.logitScale) add("logit_scale", ["f32", config.logitScale]);
  for (const [key, value] of Object.entries(form.writeOwn?.(config) ?? {}))
    add(key, key.endsWith("pattern") ? ["u32", value] : ["f32", value]);

  const ropeFactors = new Map<string, readonly number[]>();
  const ropeScaling = plainScaling(config);
  if (config.positions === "rope") {
    add("rope.dimension_count", ["u32", config.rotaryDim]);
    add("rope.freq_base", ["f32", config.ropeTheta]);
    const { keys, factors } = scalingKeys(ropeScaling, name);
    for (const [key, value] of keys) add(`rope.scaling.${key}`, value);
    for (const [tensor, divisors] of factors) ropeFactors.set(tensor, divisors);
  }
  return { architecture: form.architecture, entries, ropeFactors, ropeScaling };
}

interface Scaling {
  readonly keys: readonly (readonly [key: string, value: GgufScalar])[];
  readonly factors: readonly (readonly [tensor: string, divisors: readonly number[]])[];
}

function plainScaling({ ropeScaling: scaling, ropeTheta, rotaryDim }: ModelConfig): RopeScaling {
  // As llama.cpp's converter has them.
  if (scaling.kind === "llama3") return { kind: "factors", factors: llama3Divisors(scaling, ropeTheta, rotaryDim) };
  return scaling.kind === "longrope" ? { ...scaling, attention: { factor: longRopeAttention(scaling) } } : scaling;
}

function scalingKeys(scaling: RopeScaling, name: string): Scaling {
  switch (scaling.kind) {
    case "none":
      return { keys: [], factors: [] };
    case "linear":
      return { keys: [["type", ["string", "linear"]], ["factor", ["f32", scaling.factor]]], factors: [] }; // prettier-ignore
    case "factors":
      return { keys: [], factors: [[ROPE_FACTORS, scaling.factors]] };
    case "yarn":
      return { keys: yarnKeys(scaling, name), factors: [] };
    case "longrope":
      return {
        keys: [
          ["type", ["string", "longrope"]],
          ["original_context_length", ["u32", scaling.originalContextLength]],
          ["attn_factor", ["f32", longRopeAttention(scaling)]],
        ],
        factors: [
          [LONG_FACTORS, scaling.longFactors],
          [SHORT_FACTORS, scaling.shortFactors],
        ],
      };
    default:
      throw new UnsupportedModelError(
        `${name}: RoPE scaling: got "${scaling.kind}", which has no form as a GGUF, need another one`,
      );
  }
}

function yarnKeys(scaling: Extract<RopeScaling, { kind: "yarn" }>, name: string): Scaling["keys"] {
  const { attention, truncate } = scaling;
  if (!truncate || "factor" in attention || attention.mscale !== 1)
    throw new UnsupportedModelError(
      `${name}: RoPE scaling: got YaRN with ${truncate ? "an attention factor" : "a ramp that is not whole"}, which no key of a GGUF says`,
    );
  return [
    ["type", ["string", "yarn"]],
    ["factor", ["f32", scaling.factor]],
    ["original_context_length", ["u32", scaling.originalContextLength]],
    ["yarn_beta_fast", ["f32", scaling.betaFast]],
    ["yarn_beta_slow", ["f32", scaling.betaSlow]],
    ["yarn_log_multiplier", ["f32", attention.mscaleAllDim]],
  ];
}

/** What cosines and sines are multiplied by, as a number: no tensor is made of it. */
function longRopeAttention({ attention, originalContextLength }: Extract<RopeScaling, { kind: "longrope" }>): number {
  if ("factor" in attention) return attention.factor;
  return attention.extension <= 1 ? 1 : Math.sqrt(1 + Math.log(attention.extension) / Math.log(originalContextLength));
}
