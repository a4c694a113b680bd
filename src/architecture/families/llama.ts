/** LLaMA and what is converted to it: SmolLM2, TinyLlama, Vicuna. */
import { UnsupportedModelError } from "../../errors.ts";
import type { JsonFields, JsonObject } from "../../json-object.ts";
import type { BlockNames, Family, GgufForm, ModuleNames } from "../family.ts";
import { type Activation, type Architecture, MAX, type ModelConfig, USUAL } from "../model-config.ts";
import { parsePartialRotary, parseRope, refusePartialRotary, writeRope } from "../rope-config.ts";

export const LLAMA_NAMES: ModuleNames & { readonly block: BlockNames } = {
  embedding: "model.embed_tokens",
  blocks: "model.layers",
  block: {
    attention: "self_attn",
    attentionNorm: "input_layernorm",
    query: "self_attn.q_proj",
    key: "self_attn.k_proj",
    value: "self_attn.v_proj",
    output: "self_attn.o_proj",
    mlpNorm: "post_attention_layernorm",
    gate: "mlp.gate_proj",
    up: "mlp.up_proj",
    down: "mlp.down_proj",
  },
  finalNorm: "model.norm",
  head: "lm_head",
};

/** What LLaMA and its relatives have in common in a GGUF. */
export const LLAMA_TRAITS: GgufForm["traits"] = {
  norm: "rms",
  positions: "rope",
  activation: "silu",
  gatedMlp: true,
  qkNorm: "none",
  parallelResidual: false,
};

export const llama: Family = {
  architecture: "llama",
  className: "LlamaForCausalLM",
  names: LLAMA_NAMES,
  gguf: {
    architecture: "llama",
    interleavedHeads: true,
    biases: { attention: ["none", "qkvo"], mlp: [false, true], head: false },
    traits: LLAMA_TRAITS,
  },
  parseConfig: (fields) => ({
    ...parseLlamaConfig(fields, { architecture: "llama", contextLength: 2048 }),
    attentionBias: fields.boolean("attention_bias", false) ? "qkvo" : "none",
    mlpBias: fields.boolean("mlp_bias", false),
  }),
  writeConfig: (config) => ({
    ...writeLlamaConfig(config),
    attention_bias: config.attentionBias === "qkvo",
    mlp_bias: config.mlpBias,
  }),
};

const SILU = { key: "hidden_act", name: "silu", activation: "silu" } as const;

/** What `config.json` leaves out: the defaults of `configuration_*.py` in transformers. */
export interface LlamaDefaults {
  readonly architecture: Architecture;
  /** undefined: as many as heads */
  readonly kvHeads?: number;
  /** undefined: hidden size / heads */
  readonly headDim?: number;
  readonly contextLength: number;
  /** Where there are defaults for them. */
  readonly vocabSize?: number;
  readonly heads?: number;
  readonly sizes?: { readonly hiddenSize: number; readonly layers: number; readonly ffnSize: number };
  /** The one that is supported, its name and its key; undefined: silu, `hidden_act` */
  readonly activation?: { readonly key: string; readonly name: string; readonly activation: Activation };
  /** Reads the rotation; undefined: `parseRope` */
  readonly rope?: typeof parseRope;
  /** undefined: 1e-6 */
  readonly eps?: number;
  /** undefined: `rms_norm_eps` */
  readonly epsKey?: string;
  /** undefined: 10000 */
  readonly theta?: number;
  /** undefined: all of each head turns, and nothing else is supported */
  readonly partialRotary?: number;
  /** undefined: it is not */
  readonly tiedEmbedding?: boolean;
  /** undefined: `intermediate_size` */
  readonly ffnSize?: number;
}

/**
 * What LLaMA and its relatives have in common: no biases, no windows, and all of each head turns unless a
 * default says otherwise.
 */
export function parseLlamaConfig(fields: JsonFields, defaults: LlamaDefaults): ModelConfig {
  const { sizes, activation: supported = SILU, rope = parseRope } = defaults;
  const activation = fields.string(supported.key, supported.name);
  if (activation !== supported.name) {
    throw new UnsupportedModelError(`${fields.where}: ${supported.key}: got "${activation}", supported: ${supported.name}`);
  }
  if (defaults.partialRotary === undefined) refusePartialRotary(fields);
  const hiddenSize = fields.positiveInteger("hidden_size", MAX.hidden, sizes?.hiddenSize);
  const layers = fields.positiveInteger("num_hidden_layers", MAX.layers, sizes?.layers);
  const heads = fields.positiveInteger("num_attention_heads", MAX.heads, defaults.heads);
  const headDim = fields.positiveInteger("head_dim", MAX.headDim, defaults.headDim ?? hiddenSize / heads);
  const contextLength = fields.positiveInteger("max_position_embeddings", MAX.context, defaults.contextLength);
  const rotaryDim = defaults.partialRotary === undefined ? headDim : parsePartialRotary(fields, headDim, defaults.partialRotary);
  // A null in the file means as many as heads; a missing key means the default of the architecture.
  const kvHeads = fields.has("num_key_value_heads") ? heads : (defaults.kvHeads ?? heads);
  return {
    ...USUAL,
    architecture: defaults.architecture,
    vocabSize: fields.positiveInteger("vocab_size", MAX.vocab, defaults.vocabSize),
    hiddenSize,
    layers,
    heads,
    kvHeads: fields.positiveInteger("num_key_value_heads", MAX.heads, kvHeads),
    headDim,
    ffnSize: defaults.ffnSize ?? fields.positiveInteger("intermediate_size", MAX.ffn, sizes?.ffnSize),
    norm: "rms",
    rmsNormEps: fields.positiveNumber(defaults.epsKey ?? "rms_norm_eps", defaults.eps ?? 1e-6),
    positions: "rope",
    rotaryDim,
    ...rope(fields, { rotaryDim, contextLength, theta: defaults.theta }),
    contextLength,
    attentionWindows: Array.from({ length: layers }, () => 0),
    tiedEmbedding: fields.boolean("tie_word_embeddings", defaults.tiedEmbedding ?? false),
    attentionBias: "none",
    mlpBias: false,
    headBias: false,
    activation: supported.activation,
    gatedMlp: true,
    parallelResidual: false,
    qkNorm: "none",
  };
}

/** @param epsKey as in `LlamaDefaults` */
export function writeLlamaConfig(config: ModelConfig, epsKey = "rms_norm_eps"): JsonObject {
  return {
    vocab_size: config.vocabSize,
    hidden_size: config.hiddenSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.kvHeads,
    head_dim: config.headDim,
    intermediate_size: config.ffnSize,
    hidden_act: "silu",
    [epsKey]: config.rmsNormEps,
    max_position_embeddings: config.contextLength,
    ...writeRope(config),
    tie_word_embeddings: config.tiedEmbedding,
  };
}
