/**
 * Model hyper-parameters: `config.json` of a Hugging Face folder, or the metadata of a GGUF, validated.
 *
 * Letters used across the package: M rows (tokens), N out_features, K in_features, G group size, L layers, H heads, Hkv kv heads,
 * D head dim, E hidden size, F ffn size, S sequence, V vocabulary.
 */

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
