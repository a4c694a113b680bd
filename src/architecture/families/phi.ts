/**
 * Phi-1, 1.5 and 2: one LayerNorm feeds attention and MLP, both are added to what it read; a part of each
 * head turns.
 */
import type { Family } from "../family.ts";
import { activationName, parseActivation } from "../activations.ts";
import { layerNormModel, parseSizes, refuseVariants } from "./layer-norm-model.ts";
import { MAX } from "../model-config.ts";
import { parsePartialRotary, parseRope, rotaryFactor, writeRope } from "../rope-config.ts";

export const phi: Family = {
  architecture: "phi",
  className: "PhiForCausalLM",
  names: {
    embedding: "model.embed_tokens",
    blocks: "model.layers",
    block: {
      attention: "self_attn",
      attentionNorm: "input_layernorm",
      query: "self_attn.q_proj",
      key: "self_attn.k_proj",
      value: "self_attn.v_proj",
      output: "self_attn.dense",
      up: "mlp.fc1",
      down: "mlp.fc2",
    },
    finalNorm: "model.final_layernorm",
    head: "lm_head",
  },
  gguf: {
    architecture: "phi2",
    partialRotary: true,
    biases: { attention: ["qkvo"], mlp: [true], head: true },
    traits: {
      norm: "layer",
      positions: "rope",
      activation: "gelu_tanh",
      gatedMlp: false,
      qkNorm: "none",
      parallelResidual: true,
    },
  },
  parseConfig: (fields) => {
    // A tied head with a bias of its own is no one's: all releases have a matrix.
    refuseVariants(fields, { qk_layernorm: false, tie_word_embeddings: false });
    const sizes = parseSizes(fields, {
      hidden: ["hidden_size"],
      layers: ["num_hidden_layers"],
      heads: ["num_attention_heads"],
    });
    const contextLength = fields.positiveInteger("max_position_embeddings", MAX.context, 2048);
    const headDim = fields.positiveInteger("head_dim", MAX.headDim, sizes.hiddenSize / sizes.heads);
    const rotaryDim = parsePartialRotary(fields, headDim, 0.5);
    const config = layerNormModel("phi", sizes, {
      ffnSize: fields.positiveInteger("intermediate_size", MAX.ffn, 4 * sizes.hiddenSize),
      rmsNormEps: fields.positiveNumber("layer_norm_eps", 1e-5),
      positions: "rope",
      contextLength,
      tiedEmbedding: false,
      activation: parseActivation(fields, "hidden_act", "gelu_new"),
    });
    return {
      ...config,
      kvHeads: fields.positiveInteger("num_key_value_heads", MAX.heads, sizes.heads),
      headDim,
      rotaryDim,
      ...parseRope(fields, { rotaryDim, contextLength }),
      headBias: true,
      parallelResidual: true,
    };
  },
  writeConfig: (config) => ({
    vocab_size: config.vocabSize,
    hidden_size: config.hiddenSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.kvHeads,
    head_dim: config.headDim,
    intermediate_size: config.ffnSize,
    hidden_act: activationName(config.activation),
    layer_norm_eps: config.rmsNormEps,
    max_position_embeddings: config.contextLength,
    partial_rotary_factor: rotaryFactor(config),
    ...writeRope(config),
    tie_word_embeddings: config.tiedEmbedding,
  }),
};
