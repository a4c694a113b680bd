/**
 * Metadata of a GGUF to a model configuration (ggml `docs/gguf.md`, "LLM"; defaults as in llama.cpp
 * `src/llama-model.cpp`).
 */
import { CheckpointError, UnsupportedModelError } from "../../errors.ts";
import type { GenerationConfig } from "../checkpoint.ts";
import type { Gguf, GgufTensor } from "./gguf.ts";
import type { GgufMetadata } from "./gguf-metadata.ts";
import type { Architecture, ModelConfig, RopeScaling } from "../../architecture/model-config.ts";

/**
 * `general.architecture` of the models this package runs. "llama" includes Mistral and SmolLM2, which are
 * converted as such.
 */
export type GgufArchitecture = "llama" | "qwen2" | "qwen3";
const ARCHITECTURES: readonly string[] = ["llama", "qwen2", "qwen3"] satisfies GgufArchitecture[];

/** Divisors of the rotary frequencies: an input of the configuration, not a weight. */
export const ROPE_FACTORS_TENSOR = "rope_freqs.weight";

/**
 * Keys of variants whose forward pass differs; a value other than the one given would be silently ignored.
 */
const NEUTRAL_VALUES: Readonly<Record<string, number>> = {
  expert_count: 0,
  "attention.scale": 0,
  "attention.clamp_kqv": 0,
  "attention.max_alibi_bias": 0,
  "rope.scaling.attn_factor": 1,
  attn_logit_softcapping: 0,
  final_logit_softcapping: 0,
  logit_scale: 1,
  residual_scale: 1,
  embedding_scale: 1,
};

/**
 * @param ropeFactors values of `rope_freqs.weight`, if the file has that tensor
 * @throws CheckpointError if a key is missing, of the wrong type or inconsistent with others
 * @throws UnsupportedModelError for an architecture or variant this package does not run
 */
export function ggufModelConfig(
  metadata: GgufMetadata,
  tensors: Gguf["tensors"],
  ropeFactors: Float32Array | undefined,
  file: string,
): ModelConfig {
  const architecture = ggufArchitecture(metadata, file);
  const key = (name: string) => `${architecture}.${name}`;
  const positive = (name: string): number => positiveInteger(metadata, key(name), file);

  for (const [name, neutral] of Object.entries(NEUTRAL_VALUES)) {
    const value = metadata.number(key(name));
    if (value !== undefined && value !== neutral && value !== 0) {
      throw new UnsupportedModelError(`${file}: ${key(name)}: got ${value}, need ${neutral}`);
    }
  }
  if (metadata.has(key("attention.sliding_window_pattern"))) {
    throw new UnsupportedModelError(
      `${file}: ${key("attention.sliding_window_pattern")}: got windows that differ by layer, need the same in all`,
    );
  }

  const layers = positive("block_count");
  // Bounds what is allocated per layer; the exact tensors are checked afterwards.
  if (layers > tensors.size)
    throw new CheckpointError(
      `${file}: ${key("block_count")}: got ${layers}, need at most ${tensors.size}, the number of tensors`,
    );
  const hiddenSize = positive("embedding_length");
  const heads = positive("attention.head_count");
  const kvHeads = metadata.has(key("attention.head_count_kv")) ? positive("attention.head_count_kv") : heads;
  const headDim = metadata.has(key("attention.key_length")) ? positive("attention.key_length") : hiddenSize / heads;
  const valueDim = metadata.integer(key("attention.value_length")) ?? headDim;
  const rotaryDim = metadata.integer(key("rope.dimension_count")) ?? headDim;
  if (heads % kvHeads !== 0)
    throw new CheckpointError(`${file}: ${key("attention.head_count_kv")}: got ${kvHeads}, need a divisor of the ${heads} heads`);
  if (!Number.isInteger(headDim) || headDim % 2 !== 0) {
    throw new CheckpointError(
      `${file}: head dimension: got ${headDim} (${hiddenSize} over ${heads} heads), need an even integer`,
    );
  }
  if (valueDim !== headDim || rotaryDim !== headDim) {
    throw new UnsupportedModelError(
      `${file}: heads: got ${headDim} dimensions for keys, ${valueDim} for values, ${rotaryDim} rotated, need the same for all`,
    );
  }

  const rmsNormEps = metadata.required(
    key("attention.layer_norm_rms_epsilon"),
    metadata.number(key("attention.layer_norm_rms_epsilon")),
  );
  const ropeTheta = metadata.number(key("rope.freq_base")) ?? 10000;
  if (!(rmsNormEps > 0))
    throw new CheckpointError(`${file}: ${key("attention.layer_norm_rms_epsilon")}: got ${rmsNormEps}, need a number above 0`);
  if (!(ropeTheta > 0)) throw new CheckpointError(`${file}: ${key("rope.freq_base")}: got ${ropeTheta}, need a number above 0`);

  const window = metadata.integer(key("attention.sliding_window")) ?? 0;
  const attentionBias = !tensors.has("blk.0.attn_q.bias") ? "none" : tensors.has("blk.0.attn_output.bias") ? "qkvo" : "qkv";
  const mlpBias = tensors.has("blk.0.ffn_up.bias");
  return {
    architecture: huggingFaceArchitecture(architecture, { window, attentionBias, mlpBias }, file),
    vocabSize: embeddingRows(metadata, tensors.get("token_embd.weight"), key("vocab_size"), file),
    hiddenSize,
    layers,
    heads,
    kvHeads,
    headDim,
    ffnSize: positive("feed_forward_length"),
    norm: "rms",
    rmsNormEps: shortestDecimal(rmsNormEps),
    positions: "rope",
    rotaryDim: headDim,
    ropeTheta: shortestDecimal(ropeTheta),
    ropeScaling: ropeScaling(metadata, architecture, ropeFactors, headDim, file),
    contextLength: positive("context_length"),
    attentionWindows: Array<number>(layers).fill(window),
    tiedEmbedding: !tensors.has("output.weight"),
    attentionBias,
    mlpBias,
    headBias: false,
    activation: "silu",
    gatedMlp: true,
    parallelResidual: false,
    qkNorm: architecture === "qwen3",
  };
}

/**
 * Hugging Face splits by name what GGUF calls "llama": only Mistral has a window, only Qwen2 biases on q, k
 * and v alone; the arithmetic is the same.
 *
 * @throws UnsupportedModelError if no `config.json` can say what the file holds
 */
function huggingFaceArchitecture(
  architecture: GgufArchitecture,
  found: { window: number } & Pick<ModelConfig, "attentionBias" | "mlpBias">,
  file: string,
): Architecture {
  const { window, attentionBias, mlpBias } = found;
  const name = architecture !== "llama" ? architecture : window > 0 ? "mistral" : attentionBias === "qkv" ? "qwen2" : "llama";
  const biases = { llama: ["none", "qkvo"], mistral: ["none"], qwen2: ["qkv"], qwen3: ["none", "qkvo"] }[name];
  if (!biases.includes(attentionBias) || (mlpBias && name !== "llama")) {
    const mlp = mlpBias ? " and some in the MLP" : "";
    throw new UnsupportedModelError(`${file}: biases: got "${attentionBias}" in attention${mlp}, need those of a ${name} model`);
  }
  return name;
}

/** @throws UnsupportedModelError if it is none of the architectures this package runs */
export function ggufArchitecture(metadata: GgufMetadata, file: string): GgufArchitecture {
  const architecture = metadata.required("general.architecture", metadata.string("general.architecture"));
  if (!ARCHITECTURES.includes(architecture)) {
    throw new UnsupportedModelError(`${file}: architecture: got "${architecture}", need one of ${ARCHITECTURES.join(", ")}`);
  }
  return architecture as GgufArchitecture;
}

/**
 * Names of control tokens that end a turn, for files that do not say which token does (llama.cpp
 * `src/llama-vocab.cpp`).
 */
const END_OF_TURN_TOKENS: ReadonlySet<string> = new Set(["<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>"]);
const CONTROL_TOKEN = 3;

/**
 * The tokens that end a generation, and the sampling the model's authors recommend (`general.sampling.*`).
 */
export function ggufGenerationConfig(metadata: GgufMetadata, vocabSize: number, file: string): GenerationConfig {
  const eosTokenIds = new Set<number>();
  for (const name of ["eos", "eot", "eom"]) {
    const id = metadata.integer(`tokenizer.ggml.${name}_token_id`);
    if (id === undefined) continue;
    if (id >= vocabSize)
      throw new CheckpointError(
        `${file}: tokenizer.ggml.${name}_token_id: got ${id}, need an id below ${vocabSize}, the size of the vocabulary`,
      );
    eosTokenIds.add(id);
  }
  if (!metadata.has("tokenizer.ggml.eot_token_id")) {
    const types = metadata.numbers("tokenizer.ggml.token_type");
    for (const [id, token] of (metadata.strings("tokenizer.ggml.tokens") ?? []).entries()) {
      if (types?.[id] === CONTROL_TOKEN && END_OF_TURN_TOKENS.has(token)) eosTokenIds.add(id);
    }
  }
  const temperature = metadata.number("general.sampling.temp");
  const topK = metadata.integer("general.sampling.top_k");
  const topP = metadata.number("general.sampling.top_p");
  return {
    eosTokenIds: [...eosTokenIds],
    ...(temperature === undefined ? {} : { temperature: shortestDecimal(temperature) }),
    ...(topK === undefined ? {} : { topK }),
    ...(topP === undefined ? {} : { topP: shortestDecimal(topP) }),
  };
}

/** An integer above 0, or an array with one entry per layer that are all the same one. */
function positiveInteger(metadata: GgufMetadata, key: string, file: string): number {
  if (metadata.isArray(key)) {
    const [first, ...others] = metadata.numbers(key)!;
    if (first === undefined || others.some((other) => other !== first)) {
      throw new UnsupportedModelError(`${file}: ${key}: got values that differ by layer, need the same in all`);
    }
    return first;
  }
  const value = metadata.required(key, metadata.integer(key));
  if (value < 1) throw new CheckpointError(`${file}: ${key}: got ${value}, need at least 1`);
  return value;
}

/**
 * The rows of the embedding are what the model computes with; tokens and metadata have to agree with them.
 */
function embeddingRows(metadata: GgufMetadata, embedding: GgufTensor | undefined, key: string, file: string): number {
  const rows = embedding?.dims[1];
  if (rows === undefined)
    throw new CheckpointError(`${file}: tensor "token_embd.weight": got ${embedding ? "a vector" : "nothing"}, need a matrix`);
  const tokens = metadata.strings("tokenizer.ggml.tokens")?.length ?? rows;
  const declared = metadata.integer(key) ?? rows;
  if (tokens !== rows || declared !== rows) {
    throw new CheckpointError(
      `${file}: vocabulary: got ${rows} rows of token_embd.weight, ${tokens} tokens, ${key} ${declared}, need the same number of each`,
    );
  }
  return rows;
}

function ropeScaling(
  metadata: GgufMetadata,
  architecture: string,
  ropeFactors: Float32Array | undefined,
  headDim: number,
  file: string,
): RopeScaling {
  const kind = metadata.string(`${architecture}.rope.scaling.type`) ?? "linear";
  const factor =
    metadata.number(`${architecture}.rope.scaling.factor`) ?? metadata.number(`${architecture}.rope.scale_linear`) ?? 0;
  if (kind !== "none" && kind !== "linear") {
    throw new UnsupportedModelError(`${file}: ${architecture}.rope.scaling.type: got "${kind}", need "none" or "linear"`);
  }
  if (factor < 0) throw new CheckpointError(`${file}: ${architecture}.rope.scaling.factor: got ${factor}, need a number above 0`);
  const isLinear = kind === "linear" && factor !== 0 && factor !== 1;
  if (ropeFactors === undefined) return isLinear ? { kind: "linear", factor: shortestDecimal(factor) } : { kind: "none" };

  if (isLinear)
    throw new UnsupportedModelError(
      `${file}: rope scaling: got both ${ROPE_FACTORS_TENSOR} and a linear factor, need one of them`,
    );
  if (ropeFactors.length !== headDim / 2 || !ropeFactors.every((value) => value > 0 && value < Infinity)) {
    throw new CheckpointError(
      `${file}: tensor "${ROPE_FACTORS_TENSOR}": got ${ropeFactors.length} values, need ${headDim / 2}, each finite and above 0`,
    );
  }
  return { kind: "factors", factors: Array.from(ropeFactors) };
}

/** The shortest decimal that is the same float32: a GGUF stores 1e-5 as 9.999999747378752e-06. */
function shortestDecimal(value: number): number {
  for (let digits = 1; digits <= 9; digits++) {
    const shorter = Number(value.toPrecision(digits));
    if (Math.fround(shorter) === Math.fround(value)) return shorter;
  }
  return value;
}
