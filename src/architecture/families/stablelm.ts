/**
 * StableLM 3B, Zephyr and 2: LLaMA with LayerNorm and a part of each head turning; the 12B has norms over
 * each head, and one norm before both branches.
 */
import type { BlockVariant, Family } from "../family.ts";
import { LLAMA_NAMES, LLAMA_TRAITS, parseLlamaConfig, writeLlamaConfig } from "./llama.ts";
import { rotaryFactor } from "../rope-config.ts";

const BLOCK = {
  ...LLAMA_NAMES.block,
  queryNorm: "self_attn.q_layernorm.norms.*",
  keyNorm: "self_attn.k_layernorm.norms.*",
};
const { mlpNorm: _, ...PARALLEL_BLOCK } = BLOCK;

const EPS_KEY = "layer_norm_eps";

export const stablelm: Family = {
  architecture: "stablelm",
  className: "StableLmForCausalLM",
  names: { ...LLAMA_NAMES, block: ({ parallelResidual }: BlockVariant) => (parallelResidual ? PARALLEL_BLOCK : BLOCK) },
  gguf: {
    architecture: "stablelm",
    partialRotary: true,
    biases: { attention: ["none", "qkv"], mlp: [false], head: false },
    mayNormHeads: "each",
    // Converters write `use_parallel_residual` as true for models that are not.
    traits: { ...LLAMA_TRAITS, norm: "layer", parallelResidual: "by_norm" },
  },
  parseConfig: (fields) => ({
    ...parseLlamaConfig(fields, {
      architecture: "stablelm",
      kvHeads: 32,
      contextLength: 4096,
      eps: 1e-5,
      epsKey: EPS_KEY,
      partialRotary: 0.25,
    }),
    norm: "layer",
    attentionBias: fields.boolean("use_qkv_bias", false) ? "qkv" : "none",
    parallelResidual: fields.boolean("use_parallel_residual", false),
    qkNorm: fields.boolean("qk_layernorm", false) ? "each" : "none",
  }),
  writeConfig: (config) => ({
    ...writeLlamaConfig(config, EPS_KEY),
    partial_rotary_factor: rotaryFactor(config),
    use_qkv_bias: config.attentionBias === "qkv",
    use_parallel_residual: config.parallelResidual,
    qk_layernorm: config.qkNorm === "each",
  }),
};
