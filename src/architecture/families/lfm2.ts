/** LFM2: LLaMA in which most layers have a short convolution between two gates in place of attention. */
import { CheckpointError, UnsupportedModelError } from "../../errors.ts";
import { describe, type JsonFields } from "../../json-object.ts";
import type { BlockNames, Family } from "../family.ts";
import { LLAMA_TRAITS, parseLlamaConfig, writeLlamaConfig } from "./llama.ts";
import { MAX, type ModelConfig } from "../model-config.ts";

const MLP = {
  attentionNorm: "operator_norm",
  mlpNorm: "ffn_norm",
  gate: "feed_forward.w1",
  up: "feed_forward.w3",
  down: "feed_forward.w2",
};
const ATTENTION: BlockNames = {
  ...MLP,
  attention: "self_attn",
  query: "self_attn.q_proj",
  key: "self_attn.k_proj",
  value: "self_attn.v_proj",
  queryNorm: "self_attn.q_layernorm",
  keyNorm: "self_attn.k_layernorm",
  output: "self_attn.out_proj",
};
const CONVOLUTION: BlockNames = {
  ...MLP,
  attention: "conv",
  convolutionIn: "conv.in_proj",
  convolution: "conv.conv",
  convolutionOut: "conv.out_proj",
};

const EPS_KEY = "norm_eps";

export const lfm2: Family = {
  architecture: "lfm2",
  className: "Lfm2ForCausalLM",
  names: {
    embedding: "model.embed_tokens",
    blocks: "model.layers",
    block: ({ convolutionLayers }, layer) => (convolutionLayers.includes(layer) ? CONVOLUTION : ATTENTION),
    finalNorm: "model.embedding_norm",
    head: "lm_head",
  },
  gguf: {
    architecture: "lfm2",
    finalNorm: "token_embd_norm",
    convolutions: true,
    biases: { attention: ["none"], mlp: [false], head: false },
    traits: { ...LLAMA_TRAITS, qkNorm: "head" },
  },
  parseConfig: (fields) => ({
    ...parseLlamaConfig(fields, {
      architecture: "lfm2",
      kvHeads: 8,
      contextLength: 128_000,
      eps: 1e-5,
      epsKey: EPS_KEY,
      theta: 1_000_000,
      tiedEmbedding: fields.boolean("tie_embedding", true),
      ffnSize: parseFfnSize(fields),
    }),
    qkNorm: "head",
    ...parseConvolutions(fields),
  }),
  writeConfig: (config) => ({
    ...writeLlamaConfig(config, EPS_KEY),
    block_auto_adjust_ff_dim: false,
    layer_types: Array.from({ length: config.layers }, (_, layer) =>
      config.convolutionLayers.includes(layer) ? "conv" : "full_attention",
    ),
    conv_L_cache: config.convolutionLength,
    conv_bias: config.convolutionBias,
  }),
};

/** The size of the MLP, of which the configuration has what it is made from (`Lfm2MLP` of transformers). */
function parseFfnSize(fields: JsonFields): number {
  const key = fields.raw("block_ff_dim") === undefined ? "intermediate_size" : "block_ff_dim";
  const stated = fields.positiveInteger(key, MAX.ffn, 12_288);
  if (!fields.boolean("block_auto_adjust_ff_dim", true)) return stated;
  const adjusted = Math.floor((2 * stated) / 3);
  // A null leaves the size as it is; a missing key is a factor of 1, after which it is rounded.
  const isScaled = !fields.has("block_ffn_dim_multiplier") || fields.raw("block_ffn_dim_multiplier") !== undefined;
  if (!isScaled) return adjusted;
  const multiple = fields.positiveInteger("block_multiple_of", MAX.ffn, 256);
  const scaled = Math.floor(fields.positiveNumber("block_ffn_dim_multiplier", 1) * adjusted);
  const size = multiple * Math.ceil(scaled / multiple);
  if (size <= MAX.ffn) return size;
  throw new CheckpointError(`${fields.where}: block_ffn_dim_multiplier: got an MLP of ${size} channels, need at most ${MAX.ffn}`);
}

type Convolutions = Pick<ModelConfig, "convolutionLayers" | "convolutionLength" | "convolutionBias">;

function parseConvolutions(fields: JsonFields): Convolutions {
  const layers = fields.positiveInteger("num_hidden_layers", MAX.layers);
  const convolutionLayers = fields.raw("layer_types") === undefined ? fromIndices(fields, layers) : fromTypes(fields, layers);
  return {
    convolutionLayers,
    convolutionLength: fields.positiveInteger("conv_L_cache", MAX.convolution, 3),
    convolutionBias: fields.boolean("conv_bias", false),
  };
}

function fromTypes(fields: JsonFields, layers: number): readonly number[] {
  const types = fields.strings("layer_types");
  if (types.length !== layers)
    throw new CheckpointError(`${fields.where}: layer_types: ${types.length} entries for ${layers} layers`);
  const unknown = types.find((type) => type !== "conv" && type !== "full_attention");
  if (unknown === undefined) return types.flatMap((type, layer) => (type === "conv" ? [layer] : []));
  throw new UnsupportedModelError(`${fields.where}: layer_types: ${describe(unknown)} is not supported`);
}

/** `full_attn_idxs` of earlier versions; without it all layers have attention. */
function fromIndices(fields: JsonFields, layers: number): readonly number[] {
  const indices: unknown = fields.raw("full_attn_idxs");
  if (indices === undefined) return [];
  if (!Array.isArray(indices) || !indices.every((layer) => Number.isInteger(layer) && layer >= 0 && layer < layers))
    throw new CheckpointError(
      `${fields.where}: full_attn_idxs: got ${describe(indices)}, need numbers of layers below ${layers}`,
    );
  return Array.from({ length: layers }, (_, layer) => layer).filter((layer) => !indices.includes(layer));
}
