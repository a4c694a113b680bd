/** BLOOM: no positions but a slope on the scores of each head (ALiBi), and a norm of the embedded tokens. */
import type { Family } from "../family.ts";
import { layerNormModel, parseSizes, refuseVariants } from "./layer-norm-model.ts";
import { MAX } from "../model-config.ts";

/**
 * BLOOM has no limit, but what runs it plans for one: all of its sizes were trained with texts of this many
 * tokens.
 */
const TRAINED_LENGTH = 2048;

export const bloom: Family = {
  architecture: "bloom",
  className: "BloomForCausalLM",
  names: {
    embedding: "transformer.word_embeddings",
    embeddingNorm: "transformer.word_embeddings_layernorm",
    blocks: "transformer.h",
    block: {
      attention: "self_attention",
      attentionNorm: "input_layernorm",
      qkv: "self_attention.query_key_value",
      output: "self_attention.dense",
      mlpNorm: "post_attention_layernorm",
      up: "mlp.dense_h_to_4h",
      down: "mlp.dense_4h_to_h",
    },
    finalNorm: "transformer.ln_f",
    head: "lm_head",
  },
  optionalPrefix: "transformer.",
  storedOrder: { qkv: "by_head" },
  gguf: {
    architecture: "bloom",
    biases: { attention: ["qkvo"], mlp: [true], head: false },
    traits: {
      norm: "layer",
      positions: "alibi",
      activation: "gelu_tanh",
      gatedMlp: false,
      qkNorm: "none",
      parallelResidual: false,
    },
  },
  parseConfig: (fields) => {
    // `pretraining_tp` and `slow_but_exact` change the order of sums only.
    refuseVariants(fields, { apply_residual_connection_post_layernorm: false });
    const sizes = parseSizes(fields, {
      hidden: ["hidden_size", "n_embed"],
      layers: ["n_layer", "num_hidden_layers"],
      heads: ["n_head", "num_attention_heads"],
    });
    return layerNormModel("bloom", sizes, {
      ffnSize: 4 * sizes.hiddenSize, // there is no key for another one
      rmsNormEps: fields.positiveNumber("layer_norm_epsilon", 1e-5),
      positions: "alibi",
      contextLength: fields.positiveInteger("seq_length", MAX.context, TRAINED_LENGTH),
      tiedEmbedding: fields.boolean("tie_word_embeddings", true),
      activation: "gelu_tanh",
    });
  },
  writeConfig: (config) => ({
    vocab_size: config.vocabSize,
    hidden_size: config.hiddenSize,
    n_layer: config.layers,
    n_head: config.heads,
    seq_length: config.contextLength,
    layer_norm_epsilon: config.rmsNormEps,
    tie_word_embeddings: config.tiedEmbedding,
  }),
};
