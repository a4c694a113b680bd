/**
 * OLMo 2: norms of what attention and MLP give and none of what they read; one norm over all queries of a
 * token and one over all keys.
 */
import type { Family } from "../family.ts";
import { LLAMA_NAMES, LLAMA_TRAITS, parseLlamaConfig, writeLlamaConfig } from "./llama.ts";

const { attentionNorm: _, mlpNorm: __, ...LINEARS } = LLAMA_NAMES.block;

export const olmo2: Family = {
  architecture: "olmo2",
  className: "Olmo2ForCausalLM",
  names: {
    ...LLAMA_NAMES,
    block: {
      ...LINEARS,
      queryNorm: "self_attn.q_norm",
      keyNorm: "self_attn.k_norm",
      attentionOutputNorm: "post_attention_layernorm",
      mlpOutputNorm: "post_feedforward_layernorm",
    },
  },
  gguf: {
    architecture: "olmo2",
    biases: { attention: ["none", "qkvo"], mlp: [false], head: false },
    traits: { ...LLAMA_TRAITS, qkNorm: "all" },
  },
  parseConfig: (fields) => ({
    ...parseLlamaConfig(fields, { architecture: "olmo2", contextLength: 2048, eps: 1e-5 }),
    attentionBias: fields.boolean("attention_bias", false) ? "qkvo" : "none",
    qkNorm: "all",
  }),
  writeConfig: (config) => ({ ...writeLlamaConfig(config), attention_bias: config.attentionBias === "qkvo" }),
};
