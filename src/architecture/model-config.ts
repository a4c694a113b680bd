/**
 * Model hyper-parameters: `config.json` of a Hugging Face folder, or the metadata of a GGUF, validated.
 *
 * Letters used across the package: M rows (tokens), N out_features, K in_features, G group size, L layers, H heads, Hkv kv heads,
 * D head dim, E hidden size, F ffn size, S sequence, V vocabulary.
 */

import { CheckpointError, UnsupportedModelError } from "../errors.ts";
import { describe, JsonFields, type JsonObject } from "../json-object.ts";

export type Architecture = "llama" | "mistral" | "qwen2" | "qwen3";

/** How rotary frequencies are changed for long contexts. */
export type RopeScaling =
  | { kind: "none" }
  | { kind: "linear"; factor: number }
  | { kind: "llama3"; factor: number; lowFreqFactor: number; highFreqFactor: number; originalContextLength: number }
  /** Divisors of the D/2 frequencies, as a GGUF stores them in `rope_freqs.weight`. */
  | { kind: "factors"; factors: readonly number[] };

export interface ModelConfig {
  readonly architecture: Architecture;
  readonly vocabSize: number; // V
  readonly hiddenSize: number; // E
  readonly layers: number; // L
  readonly heads: number; // H
  readonly kvHeads: number; // Hkv, divides H
  readonly headDim: number; // D, even
  readonly ffnSize: number; // F
  readonly rmsNormEps: number;
  readonly ropeTheta: number;
  readonly ropeScaling: RopeScaling;
  /** Largest number of tokens the model was made for. */
  readonly contextLength: number;
  /** Per layer: how many of the latest tokens a token sees, itself included; 0 means all. L entries. */
  readonly attentionWindows: readonly number[];
  /** Whether `lm_head` is the embedding matrix. */
  readonly tiedEmbedding: boolean;
  /** Which attention projections have a bias. */
  readonly attentionBias: "none" | "qkv" | "qkvo";
  readonly mlpBias: boolean;
  /** RMSNorm over each head of q and k before RoPE (Qwen3). */
  readonly qkNorm: boolean;
}

/** What `config.json` leaves out: the defaults of `configuration_*.py` in transformers. */
interface ArchitectureDefaults {
  readonly architecture: Architecture;
  /** Value of `architectures` and of `model_type`. */
  readonly className: string;
  readonly kvHeads: number | undefined; // undefined: as many as heads
  readonly headDim: number | undefined; // undefined: hidden size / heads
  readonly contextLength: number;
  /** Of Mistral, whose windows are on unless `sliding_window` is null; of Qwen, if `use_sliding_window`. */
  readonly slidingWindow: number | undefined;
}

const ARCHITECTURES: readonly ArchitectureDefaults[] = [
  { architecture: "llama", className: "LlamaForCausalLM", kvHeads: undefined, headDim: undefined, contextLength: 2048, slidingWindow: undefined },
  { architecture: "mistral", className: "MistralForCausalLM", kvHeads: 8, headDim: undefined, contextLength: 131_072, slidingWindow: 4096 },
  { architecture: "qwen2", className: "Qwen2ForCausalLM", kvHeads: 32, headDim: undefined, contextLength: 32_768, slidingWindow: 4096 },
  { architecture: "qwen3", className: "Qwen3ForCausalLM", kvHeads: 32, headDim: 128, contextLength: 32_768, slidingWindow: 4096 },
]; // prettier-ignore

/** Far above any model of these architectures; they bound what a hostile file can make a loader allocate. */
const MAX = {
  vocab: 2 ** 24,
  hidden: 2 ** 17,
  layers: 2 ** 10,
  heads: 2 ** 12,
  headDim: 2 ** 12,
  ffn: 2 ** 20,
  context: 2 ** 26,
};

/**
 * Reads `config.json` as transformers 4 and 5 write it.
 *
 * @param json the parsed file
 * @param fileName for messages
 * @throws UnsupportedModelError for an architecture, activation function or kind of RoPE that is not supported;
 *   CheckpointError for a value of the wrong type, out of range, or inconsistent with another
 */
export function parseModelConfig(json: JsonObject, fileName: string): ModelConfig {
  const fields = new JsonFields(json, fileName);
  const defaults = parseArchitecture(fields);
  const activation = fields.string("hidden_act", "silu");
  if (activation !== "silu") throw new UnsupportedModelError(`${fileName}: hidden_act: got "${activation}", supported: silu`);

  const hiddenSize = fields.positiveInteger("hidden_size", MAX.hidden);
  const layers = fields.positiveInteger("num_hidden_layers", MAX.layers);
  const heads = fields.positiveInteger("num_attention_heads", MAX.heads);
  const headDim = fields.positiveInteger("head_dim", MAX.headDim, defaults.headDim ?? hiddenSize / heads);
  const contextLength = fields.positiveInteger("max_position_embeddings", MAX.context, defaults.contextLength);
  const config: ModelConfig = {
    architecture: defaults.architecture,
    vocabSize: fields.positiveInteger("vocab_size", MAX.vocab),
    hiddenSize,
    layers,
    heads,
    kvHeads: parseKvHeads(fields, heads, defaults),
    headDim,
    ffnSize: fields.positiveInteger("intermediate_size", MAX.ffn),
    rmsNormEps: fields.positiveNumber("rms_norm_eps", 1e-6),
    ...parseRope(fields, headDim, contextLength),
    contextLength,
    attentionWindows: parseWindows(fields, layers, defaults),
    tiedEmbedding: fields.boolean("tie_word_embeddings", false),
    attentionBias: parseAttentionBias(fields, defaults.architecture),
    mlpBias: defaults.architecture === "llama" && fields.boolean("mlp_bias", false),
    qkNorm: defaults.architecture === "qwen3",
  };
  checkModelConfig(config, fileName);
  return config;
}

/** `null` in the file means as many as heads; a missing key means the default of the architecture. */
function parseKvHeads(fields: JsonFields, heads: number, defaults: ArchitectureDefaults): number {
  const fallback = fields.has("num_key_value_heads") ? heads : (defaults.kvHeads ?? heads);
  return fields.positiveInteger("num_key_value_heads", MAX.heads, fallback);
}

/**
 * Relations between the numbers that every part of the package relies on.
 *
 * @param where for messages: the file the numbers come from
 * @throws CheckpointError naming the numbers that do not fit
 */
export function checkModelConfig(config: ModelConfig, where: string): void {
  const { heads, kvHeads, headDim, layers, attentionWindows, ropeScaling } = config;
  if (heads % kvHeads !== 0)
    throw new CheckpointError(`${where}: ${heads} attention heads, not a multiple of ${kvHeads} kv heads`);
  if (headDim % 2 !== 0) throw new CheckpointError(`${where}: head dimension ${headDim}, need an even one for RoPE`);
  if (attentionWindows.length !== layers) {
    throw new CheckpointError(`${where}: ${attentionWindows.length} attention windows for ${layers} layers`);
  }
  if (ropeScaling.kind === "factors" && ropeScaling.factors.length !== headDim / 2) {
    throw new CheckpointError(
      `${where}: ${ropeScaling.factors.length} RoPE factors, need ${headDim / 2} for head dimension ${headDim}`,
    );
  }
}

function parseArchitecture(fields: JsonFields): ArchitectureDefaults {
  const classes = fields.strings("architectures", []);
  const modelType = fields.raw("model_type");
  const found = classes.length > 0 ? classes[0] : modelType;
  const defaults = ARCHITECTURES.find(({ className, architecture }) =>
    classes.length > 0 ? className === classes[0] : architecture === modelType,
  );
  if (defaults) return defaults;
  const supported = ARCHITECTURES.map(({ className }) => className).join(", ");
  throw new UnsupportedModelError(`${fields.where}: architecture ${describe(found)} is not supported; supported: ${supported}`);
}

function parseAttentionBias(fields: JsonFields, architecture: Architecture): ModelConfig["attentionBias"] {
  if (architecture === "qwen2") return "qkv"; // not configurable
  if (architecture === "mistral") return "none";
  return fields.boolean("attention_bias", false) ? "qkvo" : "none";
}

/**
 * `rope_parameters` of transformers 5, or `rope_theta` and `rope_scaling` of earlier versions. Where both are present the newer one
 * is what transformers 5 reads.
 */
function parseRope(fields: JsonFields, headDim: number, contextLength: number): Pick<ModelConfig, "ropeTheta" | "ropeScaling"> {
  if (fields.raw("partial_rotary_factor") !== undefined && fields.raw("partial_rotary_factor") !== 1) {
    throw new UnsupportedModelError(
      `${fields.where}: partial_rotary_factor: got ${describe(fields.raw("partial_rotary_factor"))}, supported: 1`,
    );
  }
  const scaling = fields.object("rope_parameters") ?? fields.object("rope_scaling");
  const ropeTheta =
    scaling?.raw("rope_theta") === undefined ? fields.positiveNumber("rope_theta", 10_000) : scaling.positiveNumber("rope_theta");
  return { ropeTheta, ropeScaling: scaling ? parseRopeScaling(scaling, headDim, contextLength) : { kind: "none" } };
}

function parseRopeScaling(scaling: JsonFields, headDim: number, contextLength: number): RopeScaling {
  const type = scaling.string("rope_type", scaling.string("type", "default"));
  switch (type) {
    case "default":
      return { kind: "none" };
    case "linear":
      return { kind: "linear", factor: scaling.positiveNumber("factor") };
    case "llama3":
      return parseLlama3(scaling, contextLength);
    case "longrope":
      return parseFactors(scaling, headDim);
    default:
      throw new UnsupportedModelError(`${scaling.where}: rope_type: got "${type}", supported: default, linear, llama3`);
  }
}

function parseLlama3(scaling: JsonFields, contextLength: number): RopeScaling {
  const lowFreqFactor = scaling.positiveNumber("low_freq_factor");
  const highFreqFactor = scaling.positiveNumber("high_freq_factor");
  if (lowFreqFactor >= highFreqFactor) {
    throw new CheckpointError(
      `${scaling.where}: low_freq_factor ${lowFreqFactor}, need less than high_freq_factor ${highFreqFactor}`,
    );
  }
  return {
    kind: "llama3",
    factor: scaling.positiveNumber("factor"),
    lowFreqFactor,
    highFreqFactor,
    originalContextLength: scaling.positiveInteger("original_max_position_embeddings", MAX.context, contextLength),
  };
}

/** LongRoPE with one list for all lengths and no change of the attention scale is a list of divisors and nothing more. */
function parseFactors(scaling: JsonFields, headDim: number): RopeScaling {
  const short = scaling.numbers("short_factor", headDim / 2);
  const long = scaling.numbers("long_factor", headDim / 2);
  const plain = scaling.raw("attention_factor") === 1 && short.every((factor, i) => factor === long[i] && factor > 0);
  if (plain) return { kind: "factors", factors: short };
  throw new UnsupportedModelError(
    `${scaling.where}: rope_type: longrope is supported only with equal positive factors and attention_factor 1`,
  );
}

function parseWindows(fields: JsonFields, layers: number, defaults: ArchitectureDefaults): readonly number[] {
  const all = (window: number) => Array.from({ length: layers }, () => window);
  if (defaults.slidingWindow === undefined) return all(0);
  // A key that is null switches windows off; a missing one means the default.
  const off = fields.has("sliding_window") && fields.raw("sliding_window") === undefined;
  const window = off ? 0 : fields.positiveInteger("sliding_window", MAX.context, defaults.slidingWindow);
  if (defaults.architecture === "mistral") return all(window);

  const used = fields.boolean("use_sliding_window", false) ? window : 0;
  const types = fields.raw("layer_types") === undefined ? undefined : fields.strings("layer_types");
  if (!types) {
    const first = fields.nonNegativeInteger("max_window_layers", 28);
    return Array.from({ length: layers }, (_, layer) => (layer >= first ? used : 0));
  }
  if (types.length !== layers)
    throw new CheckpointError(`${fields.where}: layer_types: ${types.length} entries for ${layers} layers`);
  return types.map((type, layer) => {
    if (type === "full_attention") return 0;
    if (type !== "sliding_attention")
      throw new UnsupportedModelError(`${fields.where}: layer_types: ${describe(type)} is not supported`);
    if (used === 0)
      throw new CheckpointError(`${fields.where}: layer ${layer} has sliding attention, but there is no sliding_window`);
    return used;
  });
}
