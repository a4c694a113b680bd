/**
 * Model hyper-parameters: `config.json` of a Hugging Face folder, or the metadata of a GGUF, validated.
 *
 * Letters used across the package: M rows (tokens), N out_features, K in_features, G group size, B superblock
 * size, L layers, H heads, Hkv kv heads, D head dim, E hidden size, F ffn size, S sequence, V vocabulary.
 */

import { CheckpointError } from "../errors.ts";
import type { OnlineTransforms } from "./online-transforms.ts";

export type Architecture =
  | "llama" | "mistral" | "qwen2" | "qwen3" | "gemma2" | "gemma3_text" | "olmo2" | "glm" | "glm4" | "phi3" | "smollm3" | "granite"
  | "gpt2" | "phi" | "gpt_neox" | "bloom" | "starcoder2" | "stablelm" | "cohere" | "opt" | "lfm2"; // prettier-ignore

/**
 * What an MLP does between its linear layers; "gelu" with erf, "gelu_tanh" with its approximation by tanh.
 */
export type Activation = "silu" | "gelu" | "gelu_tanh" | "relu";

/**
 * How rotary frequencies are changed for long contexts. YaRN and LongRoPE multiply cosines and sines besides:
 * by a factor that is given, or that follows from the other numbers.
 *
 * What "dynamic" and "longrope" do depends on a length: here that of the context a model is loaded with.
 */
export type RopeScaling =
  | { kind: "none" }
  | { kind: "linear"; factor: number }
  /** The base grows with a context beyond the model's `contextLength` (NTK-aware, by length). */
  | { kind: "dynamic"; factor: number }
  | { kind: "llama3"; factor: number; lowFreqFactor: number; highFreqFactor: number; originalContextLength: number }
  /** Peng et al. 2023. `truncate`: whether the ramp between the betas begins and ends at whole channels. */
  | {
      kind: "yarn";
      factor: number;
      originalContextLength: number;
      betaFast: number;
      betaSlow: number;
      truncate: boolean;
      attention: { factor: number } | { mscale: number; mscaleAllDim: number };
    }
  /** Ding et al. 2024: divisors of the D/2 frequencies, one list up to the original context, one beyond. */
  | {
      kind: "longrope";
      shortFactors: readonly number[];
      longFactors: readonly number[];
      originalContextLength: number;
      attention: { factor: number } | { extension: number };
    }
  /** Divisors of the D/2 frequencies, as a GGUF stores them in `rope_freqs.weight`. */
  | { kind: "factors"; factors: readonly number[] };

/** By what queries and keys turn. */
export interface Rope {
  /** Base of the wavelengths. */
  readonly ropeTheta: number;
  /** How wavelengths are stretched for contexts longer than those of training. */
  readonly ropeScaling: RopeScaling;
}

/** Sizes and choices of a model, whatever file they were read from. */
export interface ModelConfig extends Rope {
  /** Family whose tensors and arithmetic it has. */
  readonly architecture: Architecture;
  /** Rows of the embedding, V. */
  readonly vocabSize: number; // V
  /** Width of the residual stream, E. */
  readonly hiddenSize: number; // E
  /** Number of blocks, L. */
  readonly layers: number; // L
  /** Query heads, H. */
  readonly heads: number; // H
  /** Heads of keys and values, Hkv, which divides H. */
  readonly kvHeads: number; // Hkv, divides H
  /** Channels of a head, D, even. */
  readonly headDim: number; // D, even
  /** Width of the MLP, F. */
  readonly ffnSize: number; // F
  /** Kind of its norms: RMSNorm or LayerNorm. */
  readonly norm: "rms" | "layer";
  /** Whether LayerNorms have a bias; RMSNorms have none. */
  readonly normBias: boolean;
  /** Added to the mean square, or the variance, before its root: by norms of either kind. */
  readonly rmsNormEps: number;
  /**
   * How a token's place enters: rotated queries and keys, a row added to its embedding, or a slope on the
   * scores of each head.
   */
  readonly positions: "rope" | "learned" | "alibi";
  /** Channels of each head that turn, the first ones; even, at most D, 0 without RoPE. */
  readonly rotaryDim: number;
  /** Which channels of those turn together: i and i + rotaryDim/2, or 2i and 2i + 1. */
  readonly rotaryPairs: "halves" | "neighbours";
  /** The rotation of layers with a window, where they have one of their own. */
  readonly windowRope: Rope | undefined;
  /** Layers whose queries and keys do not turn, ascending. */
  readonly unrotatedLayers: readonly number[];
  /** Learned positions: which row is the first token's. */
  readonly positionOffset: number;
  /** Number of tokens the model was made for; `longestContext` says how many its RoPE allows. */
  readonly contextLength: number;
  /** Per layer: how many of the latest tokens a token sees, itself included; 0 means all. L entries. */
  readonly attentionWindows: readonly number[];
  /** Whether a token sees those after it as well, within a window as many as before it: models of vectors. */
  readonly bidirectional: boolean;
  /** Whether `lm_head` is the embedding matrix. */
  readonly tiedEmbedding: boolean;
  /**
   * Channels of the embedding and the head, W, where they are not E: linear layers before the first block and
   * behind the last one stand between.
   */
  readonly embeddingSize: number | undefined;
  /** Which attention projections have a bias. */
  readonly attentionBias: "none" | "qkv" | "qkvo";
  /** Whether the linear layers of the MLP have a bias. */
  readonly mlpBias: boolean;
  /** Whether `lm_head` has a bias. */
  readonly headBias: boolean;
  /** There is no `lm_head`, neither one of its own nor the embedding: states come out and no logits. */
  readonly headless?: true;
  /** Function between the linear layers of the MLP. */
  readonly activation: Activation;
  /** down(activation(gate(x)) * up(x)), or down(activation(up(x))). */
  readonly gatedMlp: boolean;
  /** Whether attention and MLP read the same residual stream: x + attention(norm(x)) + mlp(norm(x)). */
  readonly parallelResidual: boolean;
  /** Whether norms come last: x = norm(x + attention(x)), x = norm(x + mlp(x)). */
  readonly postNorm: boolean;
  /** Whether there is a norm behind the last block. */
  readonly finalNorm: boolean;
  /**
   * Norms of q and k before RoPE: RMSNorms over each head (Qwen3), or over all heads of a token together
   * (OLMo 2); LayerNorms without bias over each head, with weights of its own (Cohere, StableLM).
   */
  readonly qkNorm: "none" | "head" | "all" | "each";
  /** Layers with a short convolution in place of attention, ascending. */
  readonly convolutionLayers: readonly number[];
  /** Tokens such a convolution sees, its own included; 0 where there is none. */
  readonly convolutionLength: number;
  /** Whether it and its linear layers have a bias. */
  readonly convolutionBias: boolean;
  /** What scores are divided by before softmax; undefined: the root of headDim. */
  readonly scoreDivisor: number | undefined;
  /** Scores, after that, and logits become cap * tanh(x / cap); 0: they stay. */
  readonly scoreCap: number;
  /** The same for logits. */
  readonly logitCap: number;
  /** What embedded tokens are multiplied by, each branch before it is added to the stream, and logits. */
  readonly embeddingScale: number;
  /** Factor of each branch. */
  readonly residualScale: number;
  /** Factor of logits. */
  readonly logitScale: number;
  /** What a transformed model computes besides; no architecture says it, and no `config.json` of one. */
  readonly online?: OnlineTransforms;
}

/** What few architectures have, as the others have it: a configuration begins with these. */
export const USUAL = {
  rotaryPairs: "halves",
  windowRope: undefined,
  unrotatedLayers: [],
  bidirectional: false,
  normBias: true,
  positionOffset: 0,
  embeddingSize: undefined,
  postNorm: false,
  finalNorm: true,
  convolutionLayers: [],
  convolutionLength: 0,
  convolutionBias: false,
  scoreDivisor: undefined,
  scoreCap: 0,
  logitCap: 0,
  embeddingScale: 1,
  residualScale: 1,
  logitScale: 1,
} as const satisfies Partial<ModelConfig>;

/** Far above any model of these architectures; they bound what a hostile file can make a loader allocate. */
export const MAX = {
  vocab: 2 ** 24,
  hidden: 2 ** 17,
  layers: 2 ** 10,
  heads: 2 ** 12,
  headDim: 2 ** 12,
  ffn: 2 ** 20,
  context: 2 ** 26,
  convolution: 64,
};

/**
 * Relations between the numbers that every part of the package relies on.
 *
 * @param where for messages: the file the numbers come from
 * @throws CheckpointError naming the numbers that do not fit
 */
export function checkModelConfig(config: ModelConfig, where: string): void {
  const { heads, kvHeads, headDim, rotaryDim, layers, attentionWindows } = config;
  if (heads % kvHeads !== 0)
    throw new CheckpointError(`${where}: ${heads} attention heads, not a multiple of ${kvHeads} kv heads`);
  if (!Number.isInteger(headDim)) throw new CheckpointError(`${where}: head dimension: got ${headDim}, need an integer`);
  if (config.positions === "rope" && headDim % 2 !== 0) {
    throw new CheckpointError(`${where}: head dimension ${headDim}, need an even one for RoPE`);
  }
  if (rotaryDim % 2 !== 0 || rotaryDim > headDim || (rotaryDim === 0) !== (config.positions !== "rope")) {
    throw new CheckpointError(`${where}: rotary dimension: got ${rotaryDim} of head dimension ${headDim}, need an even number`);
  }
  if (attentionWindows.length !== layers) {
    throw new CheckpointError(`${where}: ${attentionWindows.length} attention windows for ${layers} layers`);
  }
  const { convolutionLayers, convolutionLength } = config;
  if (convolutionLayers.length > 0 && convolutionLength < 1) {
    throw new CheckpointError(`${where}: convolution: got a length of ${convolutionLength}, need at least 1`);
  }
  checkRopeScaling(config, where);
}

function checkRopeScaling({ ropeScaling, ropeTheta, rotaryDim }: ModelConfig, where: string): void {
  switch (ropeScaling.kind) {
    case "none":
    case "linear":
    case "llama3":
      return;
    case "factors":
      return checkFactors(ropeScaling.factors, rotaryDim, where);
    case "longrope":
      checkFactors(ropeScaling.shortFactors, rotaryDim, where);
      return checkFactors(ropeScaling.longFactors, rotaryDim, where);
    case "dynamic":
      if (rotaryDim > 2) return;
      throw new CheckpointError(`${where}: rotary dimension: got ${rotaryDim} with dynamic RoPE, need at least 4`);
    case "yarn":
      if (ropeTheta > 1) return;
      throw new CheckpointError(`${where}: RoPE base: got ${ropeTheta} with YaRN, need more than 1`);
  }
}

function checkFactors(factors: readonly number[], rotaryDim: number, where: string): void {
  if (factors.length === rotaryDim / 2 && factors.every((factor) => factor > 0 && factor < Infinity)) return;
  throw new CheckpointError(
    `${where}: RoPE factors: got ${factors.length}, need ${rotaryDim / 2} for rotary dimension ${rotaryDim}, each finite and above 0`,
  );
}
