/** StarCoder2: LayerNorm, biases and an MLP without a gate beside RoPE, grouped heads and windows. */
import { activationName, parseActivation } from "../activations.ts";
import type { Family } from "../family.ts";
import { layerNormModel, parseSizes } from "./layer-norm-model.ts";
import { LLAMA_NAMES } from "./llama.ts";
import { nullableWindow, writeWindow } from "./mistral.ts";
import { MAX } from "../model-config.ts";
import { parseRope, refusePartialRotary, writeRope } from "../rope-config.ts";

const { gate: _, ...UNGATED } = LLAMA_NAMES.block;

export const starcoder2: Family = {
  architecture: "starcoder2",
  className: "Starcoder2ForCausalLM",
  names: { ...LLAMA_NAMES, block: { ...UNGATED, up: "mlp.c_fc", down: "mlp.c_proj" } },
  gguf: {
    architecture: "starcoder2",
    biases: { attention: ["none", "qkvo"], mlp: [false, true], head: false },
    traits: {
      norm: "layer",
      positions: "rope",
      activation: "gelu_tanh",
      gatedMlp: false,
      qkNorm: "none",
      parallelResidual: false,
    },
  },
  parseConfig: (fields) => {
    refusePartialRotary(fields);
    const sizes = parseSizes(fields, {
      hidden: ["hidden_size"],
      layers: ["num_hidden_layers"],
      heads: ["num_attention_heads"],
    });
    const contextLength = fields.positiveInteger("max_position_embeddings", MAX.context, 4096);
    const headDim = fields.positiveInteger("head_dim", MAX.headDim, sizes.hiddenSize / sizes.heads);
    const config = layerNormModel("starcoder2", sizes, {
      ffnSize: fields.positiveInteger("intermediate_size", MAX.ffn, 12_288),
      rmsNormEps: fields.positiveNumber("norm_epsilon", 1e-5),
      positions: "rope",
      contextLength,
      tiedEmbedding: fields.boolean("tie_word_embeddings", true),
      activation: parseActivation(fields, "hidden_act", "gelu_pytorch_tanh"),
    });
    const window = nullableWindow(fields);
    const hasBias = fields.boolean("use_bias", true);
    return {
      ...config,
      kvHeads: fields.positiveInteger("num_key_value_heads", MAX.heads, 2),
      headDim,
      rotaryDim: headDim,
      ...parseRope(fields, { rotaryDim: headDim, contextLength }),
      attentionWindows: config.attentionWindows.map(() => window),
      attentionBias: hasBias ? "qkvo" : "none",
      mlpBias: hasBias,
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
    norm_epsilon: config.rmsNormEps,
    max_position_embeddings: config.contextLength,
    ...writeRope(config),
    ...writeWindow(config),
    use_bias: config.mlpBias,
    tie_word_embeddings: config.tiedEmbedding,
  }),
};
