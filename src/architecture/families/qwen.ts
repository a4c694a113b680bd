/**
 * Qwen2 (biases on q, k and v) and Qwen3 (norms over each head of q and k); windows in some layers, if
 * `use_sliding_window`.
 */
import { CheckpointError, UnsupportedModelError } from "../../errors.ts";
import { describe, type JsonFields, type JsonObject } from "../../json-object.ts";
import type { Family } from "../family.ts";
import { LLAMA_NAMES, LLAMA_TRAITS, type LlamaDefaults, parseLlamaConfig, writeLlamaConfig } from "./llama.ts";
import { slidingWindow } from "./mistral.ts";
import type { ModelConfig } from "../model-config.ts";

export const qwen2: Family = {
  architecture: "qwen2",
  className: "Qwen2ForCausalLM",
  names: LLAMA_NAMES,
  gguf: { architecture: "qwen2", biases: { attention: ["qkv"], mlp: [false], head: false }, traits: LLAMA_TRAITS },
  parseConfig: (fields) => ({
    ...parseQwenConfig(fields, { architecture: "qwen2", kvHeads: 32, contextLength: 32_768 }),
    attentionBias: "qkv", // not configurable
  }),
  writeConfig: (config) => ({ ...writeLlamaConfig(config), ...writeWindows(config) }),
};

export const qwen3: Family = {
  architecture: "qwen3",
  className: "Qwen3ForCausalLM",
  names: {
    ...LLAMA_NAMES,
    block: { ...LLAMA_NAMES.block, queryNorm: "self_attn.q_norm", keyNorm: "self_attn.k_norm" },
  },
  optionalPrefix: "model.", // of Qwen3-Embedding
  gguf: {
    architecture: "qwen3",
    biases: { attention: ["none", "qkvo"], mlp: [false], head: false },
    traits: { ...LLAMA_TRAITS, qkNorm: "head" },
  },
  parseConfig: (fields) => ({
    ...parseQwenConfig(fields, { architecture: "qwen3", kvHeads: 32, headDim: 128, contextLength: 32_768 }),
    attentionBias: fields.boolean("attention_bias", false) ? "qkvo" : "none",
    qkNorm: "head",
  }),
  writeConfig: (config) => ({
    ...writeLlamaConfig(config),
    attention_bias: config.attentionBias === "qkvo",
    ...writeWindows(config),
  }),
};

function parseQwenConfig(fields: JsonFields, defaults: LlamaDefaults): ModelConfig {
  const config = parseLlamaConfig(fields, defaults);
  return { ...config, attentionWindows: parseWindows(fields, config.layers) };
}

function parseWindows(fields: JsonFields, layers: number): readonly number[] {
  const window = slidingWindow(fields);
  const used = fields.boolean("use_sliding_window", false) ? window : 0;
  const types = fields.raw("layer_types") === undefined ? undefined : fields.strings("layer_types");
  if (!types) {
    const first = fields.nonNegativeInteger("max_window_layers", 28);
    return Array.from({ length: layers }, (_, layer) => (layer >= first ? used : 0));
  }
  if (types.length !== layers)
    throw new CheckpointError(`${fields.where}: layer_types: ${types.length} entries for ${layers} layers`);
  return types.map((type, layer) => {
    if (type === "full_attention") return 0;
    if (type !== "sliding_attention")
      throw new UnsupportedModelError(`${fields.where}: layer_types: ${describe(type)} is not supported`);
    if (used === 0)
      throw new CheckpointError(`${fields.where}: layer ${layer} has sliding attention, but there is no sliding_window`);
    return used;
  });
}

function writeWindows({ attentionWindows, layers }: ModelConfig): JsonObject {
  const window = attentionWindows.find((size) => size > 0);
  return {
    use_sliding_window: window !== undefined,
    sliding_window: window ?? null,
    max_window_layers: layers,
    layer_types: attentionWindows.map((size) => (size > 0 ? "sliding_attention" : "full_attention")),
  };
}
