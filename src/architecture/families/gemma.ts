/**
 * Gemma 2 and 3: norms before and behind attention and MLP, weights of norms stored less 1, GEGLU, embedding
 * times the root of its width, windows in some layers. Gemma 2 caps scores and logits; Gemma 3 normalizes
 * queries and keys, and layers with a window have a rotation of their own.
 */
import { CheckpointError, UnsupportedModelError } from "../../errors.ts";
import { describe, type JsonFields, type JsonObject } from "../../json-object.ts";
import type { Family, GgufForm } from "../family.ts";
import { LLAMA_NAMES, LLAMA_TRAITS, type LlamaDefaults, parseLlamaConfig, writeLlamaConfig } from "./llama.ts";
import { slidingWindow } from "./mistral.ts";
import { MAX, type ModelConfig, type Rope } from "../model-config.ts";
import { type RopeDefaults, parseRope, parseRopeObject } from "../rope-config.ts";

const BLOCK = {
  ...LLAMA_NAMES.block,
  attentionOutputNorm: "post_attention_layernorm",
  mlpNorm: "pre_feedforward_layernorm",
  mlpOutputNorm: "post_feedforward_layernorm",
};
const TRAITS = { ...LLAMA_TRAITS, activation: "gelu_tanh" } as const satisfies GgufForm["traits"];
const BIASES = { attention: ["none"], mlp: [false], head: false } as const;
const ACTIVATION = { key: "hidden_activation", name: "gelu_pytorch_tanh", activation: "gelu_tanh" } as const;
/** The base in layers of Gemma 3 with a window; a GGUF has no key for it. */
const LOCAL_THETA = 10_000;
/** One layer in so many sees all tokens. */
const PATTERN = { gemma2: 2, gemma3: 6 } as const;

const DEFAULTS = {
  heads: 8,
  kvHeads: 4,
  headDim: 256,
  tiedEmbedding: true,
  activation: ACTIVATION,
  sizes: { hiddenSize: 2304, layers: 26, ffnSize: 9216 },
} as const satisfies Partial<LlamaDefaults>;

export const gemma2: Family = {
  architecture: "gemma2",
  className: "Gemma2ForCausalLM",
  names: { ...LLAMA_NAMES, block: BLOCK },
  storedNorms: "less_one",
  gguf: {
    architecture: "gemma2",
    biases: BIASES,
    traits: TRAITS,
    ownKeys: ["attn_logit_softcapping", "final_logit_softcapping", "attention.sliding_window_pattern"],
    own: (config, number) => ({
      ...ggufGemma(config, number, { pattern: PATTERN.gemma2, layersOfLargest: 46 }),
      scoreCap: number("attn_logit_softcapping") ?? 50,
    }),
    writeOwn: (config) => ({ attn_logit_softcapping: config.scoreCap, ...ownNumbers(config) }),
  },
  parseConfig: (fields) => {
    const config = parseGemma(fields, { ...DEFAULTS, architecture: "gemma2", vocabSize: 256_000, contextLength: 8192 });
    return {
      ...config,
      attentionWindows: parseWindows(fields, config.layers, PATTERN.gemma2),
      scoreCap: capOf(fields, "attn_logit_softcapping", 50),
      logitCap: capOf(fields, "final_logit_softcapping", 30),
    };
  },
  writeConfig: (config) => ({ ...writeGemma(config), attn_logit_softcapping: config.scoreCap || null }),
};

export const gemma3: Family = {
  architecture: "gemma3_text",
  className: "Gemma3ForCausalLM",
  bareClassName: "Gemma3TextModel",
  optionalPrefix: "model.", // of EmbeddingGemma
  names: { ...LLAMA_NAMES, block: { ...BLOCK, queryNorm: "self_attn.q_norm", keyNorm: "self_attn.k_norm" } },
  storedNorms: "less_one",
  gguf: {
    architecture: "gemma3",
    biases: BIASES,
    traits: { ...TRAITS, qkNorm: "head" },
    ownKeys: ["final_logit_softcapping", "attention.sliding_window_pattern"],
    own: (config, number) => ({
      ...ggufGemma(config, number, { pattern: PATTERN.gemma3, layersOfLargest: 62 }),
      windowRope: { ropeTheta: LOCAL_THETA, ropeScaling: { kind: "none" } },
    }),
    writeOwn: ownNumbers,
  },
  parseConfig: (fields) => {
    const config = parseGemma(fields, {
      ...DEFAULTS,
      architecture: "gemma3_text",
      vocabSize: 262_208,
      contextLength: 131_072,
      theta: 1_000_000,
      rope: parseGlobalRope,
    });
    // transformers writes both, as one.
    const isUnderscored = fields.raw("_sliding_window_pattern") !== undefined;
    const isPlain = fields.raw("sliding_window_pattern") !== undefined;
    const pattern = isUnderscored && !isPlain ? "_sliding_window_pattern" : "sliding_window_pattern";
    const windows = parseWindows(fields, config.layers, fields.positiveInteger(pattern, MAX.layers, PATTERN.gemma3));
    const gemma: ModelConfig = {
      ...config,
      qkNorm: "head",
      windowRope: parseLocalRope(fields, config),
      attentionWindows: windows,
      logitCap: capOf(fields, "final_logit_softcapping", 0),
    };
    return fields.boolean("use_bidirectional_attention", false) ? bothWays(gemma) : gemma;
  },
  writeConfig: ({ bidirectional, attentionWindows, ...config }) => ({
    ...writeGemma({
      ...config,
      bidirectional,
      attentionWindows: bidirectional ? attentionWindows.map((size) => 2 * Math.max(0, size - 1)) : attentionWindows,
    }),
    rope_local_base_freq: config.windowRope!.ropeTheta,
    ...(bidirectional && { use_bidirectional_attention: true }),
  }),
};

/**
 * EmbeddingGemma: `sliding_window` counts both sides, each with half of it beside the token itself
 * (transformers, `configuration_gemma3.py`). States come out, and nothing is predicted of them.
 */
function bothWays(config: ModelConfig): ModelConfig {
  const attentionWindows = config.attentionWindows.map((size) => (size > 0 ? Math.floor(size / 2) + 1 : 0));
  return { ...config, bidirectional: true, attentionWindows, tiedEmbedding: false, headless: true };
}

function parseGemma(fields: JsonFields, defaults: LlamaDefaults): ModelConfig {
  const config = parseLlamaConfig(fields, defaults);
  return {
    ...config,
    attentionBias: fields.boolean("attention_bias", false) ? "qkvo" : "none",
    embeddingScale: Math.sqrt(config.hiddenSize),
    scoreDivisor: Math.sqrt(fields.positiveNumber("query_pre_attn_scalar", 256)),
  };
}

function writeGemma(config: ModelConfig): JsonObject {
  const { hidden_act: _, ...llama } = writeLlamaConfig(config);
  const window = config.attentionWindows.find((size) => size > 0);
  return {
    ...llama,
    [ACTIVATION.key]: ACTIVATION.name,
    // The square of a rounded root, without what rounding left of it.
    query_pre_attn_scalar: Number((config.scoreDivisor! ** 2).toPrecision(15)),
    final_logit_softcapping: config.logitCap || null,
    sliding_window: window ?? null,
    layer_types: config.attentionWindows.map((size) => (size > 0 ? "sliding_attention" : "full_attention")),
    attention_bias: config.attentionBias === "qkvo",
  };
}

/** A cap that null switches off. */
function capOf(fields: JsonFields, key: string, fallback: number): number {
  return fields.has(key) ? fields.nonNegativeNumber(key, 0) : fallback;
}

/** Windows by `layer_types`, or in all layers but the last of each `pattern`. */
function parseWindows(fields: JsonFields, layers: number, pattern: number): readonly number[] {
  const window = slidingWindow(fields);
  if (fields.raw("layer_types") === undefined) return windowsBut(pattern, layers, window);
  const types = fields.strings("layer_types");
  if (types.length !== layers)
    throw new CheckpointError(`${fields.where}: layer_types: ${types.length} entries for ${layers} layers`);
  return types.map((type) => {
    if (type === "full_attention") return 0;
    if (type !== "sliding_attention")
      throw new UnsupportedModelError(`${fields.where}: layer_types: ${describe(type)} is not supported`);
    if (window === 0)
      throw new CheckpointError(`${fields.where}: layer_types: got sliding attention, but there is no sliding_window`);
    return window;
  });
}

function windowsBut(pattern: number, layers: number, window: number): number[] {
  return Array.from({ length: layers }, (_, layer) => ((layer + 1) % pattern === 0 ? 0 : window));
}

/** transformers 5 has both rotations in `rope_parameters`, by kind of layer. */
function parseGlobalRope(fields: JsonFields, defaults: RopeDefaults): Rope {
  const parameters = fields.object("rope_parameters");
  if (parameters?.raw("full_attention") === undefined) return parseRope(fields, defaults);
  return parseRopeObject(fields, parameters.object("full_attention"), defaults);
}

function parseLocalRope(fields: JsonFields, { rotaryDim, contextLength }: ModelConfig): Rope {
  const defaults = { rotaryDim, contextLength, theta: LOCAL_THETA, thetaKey: "rope_local_base_freq" };
  return parseRopeObject(fields, fields.object("rope_parameters")?.object("sliding_attention"), defaults);
}

/**
 * What a GGUF leaves to its reader: the largest model divides scores by the root of hidden size over heads,
 * the others by that of the head dimension.
 */
function ggufGemma(
  { hiddenSize, layers, heads, headDim, attentionWindows: [window = 0] }: ModelConfig,
  number: (key: string) => number | undefined,
  { pattern, layersOfLargest }: { readonly pattern: number; readonly layersOfLargest: number },
): Partial<ModelConfig> {
  return {
    embeddingScale: Math.sqrt(hiddenSize),
    scoreDivisor: Math.sqrt(layers === layersOfLargest ? hiddenSize / heads : headDim),
    logitCap: number("final_logit_softcapping") ?? 0,
    attentionWindows: windowsBut(number("attention.sliding_window_pattern") ?? pattern, layers, window),
  };
}

/** What `ggufGemma` reads back, if every so many layers see all tokens. */
function ownNumbers({ logitCap, attentionWindows }: ModelConfig): Record<string, number> {
  const firstWhole = attentionWindows.indexOf(0);
  return {
    ...(logitCap > 0 && { final_logit_softcapping: logitCap }),
    "attention.sliding_window_pattern": firstWhole < 0 ? attentionWindows.length + 1 : firstWhole + 1,
  };
}
