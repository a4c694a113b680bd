/**
 * GPT-NeoX: Pythia, Dolly. Attention and MLP have a norm each, and read the same residual stream unless the
 * configuration says otherwise.
 */
import type { Family } from "../family.ts";
import { activationName, parseActivation } from "../activations.ts";
import { layerNormModel, parseSizes } from "./layer-norm-model.ts";
import { MAX } from "../model-config.ts";
import { parsePartialRotary, parseRope, rotaryFactor, writeRope } from "../rope-config.ts";

export const gptNeox: Family = {
  architecture: "gpt_neox",
  className: "GPTNeoXForCausalLM",
  names: {
    embedding: "gpt_neox.embed_in",
    blocks: "gpt_neox.layers",
    block: {
      attention: "attention",
      attentionNorm: "input_layernorm",
      qkv: "attention.query_key_value",
      output: "attention.dense",
      mlpNorm: "post_attention_layernorm",
      up: "mlp.dense_h_to_4h",
      down: "mlp.dense_4h_to_h",
    },
    finalNorm: "gpt_neox.final_layer_norm",
    head: "embed_out",
  },
  storedOrder: { qkv: "by_head" },
  gguf: {
    architecture: "gptneox",
    partialRotary: true,
    biases: { attention: ["none", "qkvo"], mlp: [true], head: false },
    // The GELU of Pythia's own config.json, with erf; llama.cpp takes the one with tanh.
    traits: { norm: "layer", positions: "rope", activation: "gelu", gatedMlp: false, qkNorm: "none", parallelResidual: "stated" },
  },
  parseConfig: (fields) => {
    const sizes = parseSizes(fields, {
      hidden: ["hidden_size"],
      layers: ["num_hidden_layers"],
      heads: ["num_attention_heads"],
    });
    const contextLength = fields.positiveInteger("max_position_embeddings", MAX.context, 2048);
    const rotaryDim = parsePartialRotary(fields, sizes.hiddenSize / sizes.heads, 0.25);
    const config = layerNormModel("gpt_neox", sizes, {
      ffnSize: fields.positiveInteger("intermediate_size", MAX.ffn),
      rmsNormEps: fields.positiveNumber("layer_norm_eps", 1e-5),
      positions: "rope",
      contextLength,
      tiedEmbedding: fields.boolean("tie_word_embeddings", false),
      activation: parseActivation(fields, "hidden_act", "gelu"),
    });
    return {
      ...config,
      rotaryDim,
      ...parseRope(fields, { rotaryDim, contextLength, thetaKey: "rotary_emb_base" }),
      attentionBias: fields.boolean("attention_bias", true) ? "qkvo" : "none",
      parallelResidual: fields.boolean("use_parallel_residual", true),
    };
  },
  writeConfig: (config) => ({
    vocab_size: config.vocabSize,
    hidden_size: config.hiddenSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    intermediate_size: config.ffnSize,
    hidden_act: activationName(config.activation),
    layer_norm_eps: config.rmsNormEps,
    max_position_embeddings: config.contextLength,
    rotary_pct: rotaryFactor(config),
    ...writeRope(config, "rotary_emb_base"),
    attention_bias: config.attentionBias === "qkvo",
    use_parallel_residual: config.parallelResidual,
    tie_word_embeddings: config.tiedEmbedding,
  }),
};
