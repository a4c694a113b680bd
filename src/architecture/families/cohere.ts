/**
 * Command-R and Aya: one LayerNorm without bias feeds attention and MLP, neighbouring channels turn together,
 * logits are scaled; Command-R+ has norms over each head.
 */
import type { Family } from "../family.ts";
import { LLAMA_NAMES, LLAMA_TRAITS, parseLlamaConfig, writeLlamaConfig } from "./llama.ts";

const { mlpNorm: _, ...BLOCK } = LLAMA_NAMES.block;

const EPS_KEY = "layer_norm_eps";

export const cohere: Family = {
  architecture: "cohere",
  className: "CohereForCausalLM",
  names: { ...LLAMA_NAMES, block: { ...BLOCK, queryNorm: "self_attn.q_norm", keyNorm: "self_attn.k_norm" } },
  gguf: {
    architecture: "command-r",
    biases: { attention: ["none", "qkvo"], mlp: [false], head: false },
    mayNormHeads: "each",
    logitScale: "factor",
    traits: { ...LLAMA_TRAITS, norm: "layer", normBias: false, rotaryPairs: "neighbours", parallelResidual: true },
  },
  parseConfig: (fields) => ({
    ...parseLlamaConfig(fields, {
      architecture: "cohere",
      contextLength: 8192,
      eps: 1e-5,
      epsKey: EPS_KEY,
      theta: 500_000,
      tiedEmbedding: true,
    }),
    norm: "layer",
    normBias: false,
    rotaryPairs: "neighbours",
    attentionBias: fields.boolean("attention_bias", false) ? "qkvo" : "none",
    parallelResidual: true,
    qkNorm: fields.boolean("use_qk_norm", false) ? "each" : "none",
    logitScale: fields.positiveNumber("logit_scale", 0.0625),
  }),
  writeConfig: (config) => ({
    ...writeLlamaConfig(config, EPS_KEY),
    attention_bias: config.attentionBias === "qkvo",
    use_qk_norm: config.qkNorm === "each",
    logit_scale: config.logitScale,
  }),
};
