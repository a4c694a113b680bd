/**
 * GPT-2: learned positions, q, k and v in one module, and weights stored the other way around (`Conv1D` of
 * transformers).
 */
import type { Family } from "../family.ts";
import { activationName, parseActivation } from "../activations.ts";
import { layerNormModel, parseSizes, refuseVariants } from "./layer-norm-model.ts";
import { MAX } from "../model-config.ts";

export const gpt2: Family = {
  architecture: "gpt2",
  className: "GPT2LMHeadModel",
  names: {
    embedding: "transformer.wte",
    positions: "transformer.wpe",
    blocks: "transformer.h",
    block: {
      attention: "attn",
      attentionNorm: "ln_1",
      qkv: "attn.c_attn",
      output: "attn.c_proj",
      mlpNorm: "ln_2",
      up: "mlp.c_fc",
      down: "mlp.c_proj",
    },
    finalNorm: "transformer.ln_f",
    head: "lm_head",
  },
  optionalPrefix: "transformer.",
  storedOrder: { qkv: "transposed", output: "transposed", up: "transposed", down: "transposed" },
  gguf: {
    architecture: "gpt2",
    biases: { attention: ["qkvo"], mlp: [true], head: false },
    traits: {
      norm: "layer",
      positions: "learned",
      activation: "gelu_tanh",
      gatedMlp: false,
      qkNorm: "none",
      parallelResidual: false,
    },
  },
  parseConfig: (fields) => {
    refuseVariants(fields, { scale_attn_weights: true, scale_attn_by_inverse_layer_idx: false, add_cross_attention: false });
    const sizes = parseSizes(fields, {
      hidden: ["n_embd", "hidden_size"],
      layers: ["n_layer", "num_hidden_layers"],
      heads: ["n_head", "num_attention_heads"],
    });
    const contextKey = fields.raw("n_positions") === undefined ? "max_position_embeddings" : "n_positions";
    return layerNormModel("gpt2", sizes, {
      ffnSize: fields.positiveInteger("n_inner", MAX.ffn, 4 * sizes.hiddenSize),
      rmsNormEps: fields.positiveNumber("layer_norm_epsilon", 1e-5),
      positions: "learned",
      contextLength: fields.positiveInteger(contextKey, MAX.context, 1024),
      tiedEmbedding: fields.boolean("tie_word_embeddings", true),
      activation: parseActivation(fields, "activation_function", "gelu_new"),
    });
  },
  writeConfig: (config) => ({
    vocab_size: config.vocabSize,
    n_embd: config.hiddenSize,
    n_layer: config.layers,
    n_head: config.heads,
    n_inner: config.ffnSize,
    n_positions: config.contextLength,
    activation_function: activationName(config.activation),
    layer_norm_epsilon: config.rmsNormEps,
    tie_word_embeddings: config.tiedEmbedding,
  }),
};
