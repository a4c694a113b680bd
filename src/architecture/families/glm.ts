/**
 * GLM-4 in transformers' form, and GLM-4-0414: neighbouring channels of a part of each head turn, gate and up
 * are one module; the second normalizes what attention and MLP give as well.
 */
import type { Family, GgufForm } from "../family.ts";
import { LLAMA_NAMES, LLAMA_TRAITS, type LlamaDefaults, parseLlamaConfig, writeLlamaConfig } from "./llama.ts";
import type { ModelConfig } from "../model-config.ts";
import type { JsonFields, JsonObject } from "../../json-object.ts";
import { rotaryFactor } from "../rope-config.ts";

const { gate: _, ...UNGATED } = LLAMA_NAMES.block;
const BLOCK = { ...UNGATED, up: "mlp.gate_up_proj" };

const GGUF = {
  partialRotary: true,
  biases: { attention: ["none", "qkv"], mlp: [false], head: false },
  traits: { ...LLAMA_TRAITS, rotaryPairs: "neighbours" },
} as const satisfies Omit<GgufForm, "architecture">;

const DEFAULTS = {
  kvHeads: 2,
  headDim: 128,
  contextLength: 131_072,
  eps: 1.5625e-7,
  partialRotary: 0.5,
} as const satisfies Omit<LlamaDefaults, "architecture">;

export const glm: Family = {
  architecture: "glm",
  className: "GlmForCausalLM",
  names: { ...LLAMA_NAMES, block: BLOCK },
  gguf: { ...GGUF, architecture: "chatglm" },
  parseConfig: (fields) => parseGlm(fields, { ...DEFAULTS, architecture: "glm" }),
  writeConfig: writeGlm,
};

export const glm4: Family = {
  architecture: "glm4",
  className: "Glm4ForCausalLM",
  names: {
    ...LLAMA_NAMES,
    block: { ...BLOCK, attentionOutputNorm: "post_self_attn_layernorm", mlpOutputNorm: "post_mlp_layernorm" },
  },
  gguf: { ...GGUF, architecture: "glm4" },
  parseConfig: (fields) => parseGlm(fields, { ...DEFAULTS, architecture: "glm4" }),
  writeConfig: writeGlm,
};

function parseGlm(fields: JsonFields, defaults: LlamaDefaults): ModelConfig {
  return {
    ...parseLlamaConfig(fields, defaults),
    rotaryPairs: "neighbours",
    attentionBias: fields.boolean("attention_bias", true) ? "qkv" : "none",
  };
}

function writeGlm(config: ModelConfig): JsonObject {
  return {
    ...writeLlamaConfig(config),
    partial_rotary_factor: rotaryFactor(config),
    attention_bias: config.attentionBias === "qkv",
  };
}
