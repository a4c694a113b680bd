/**
 * An architecture as data: what its `config.json` and its GGUF call things. A file beside this one has one
 * family each; `families.ts` lists them, and everything else of the package sees only the `Description` that
 * `describe.ts` makes of it.
 */
import type { JsonFields, JsonObject } from "../json-object.ts";
import type { Architecture, ModelConfig } from "./model-config.ts";

/**
 * Names of modules (tensor names without `.weight`) in a Hugging Face checkpoint; those of a block follow its
 * prefix.
 */
export interface ModuleNames {
  readonly embedding: string; // [V, E]
  /** Learned positions, [contextLength, E]. */
  readonly positions?: string;
  /** Norm of the embedded tokens. */
  readonly embeddingNorm?: string;
  /** Linear layers from the embedding to the blocks [E, W] and from there to the head [W, E]. */
  readonly projectIn?: string;
  readonly projectOut?: string;
  /** Prefix of the blocks: `model.layers` in `model.layers.0.self_attn.q_proj`. */
  readonly blocks: string;
  /** By configuration and layer where blocks of one family differ. */
  readonly block: BlockNames | ((config: BlockVariant, layer: number) => BlockNames);
  readonly finalNorm: string;
  readonly head: string; // [V, E]; absent if the embedding is tied
}

/** What names of a block may depend on. */
export type BlockVariant = Pick<ModelConfig, "parallelResidual" | "postNorm" | "convolutionLayers">;

/** The names of a layer's block. */
export function blockNames({ block }: ModuleNames, config: BlockVariant, layer: number): BlockNames {
  return typeof block === "function" ? block(config, layer) : block;
}

export interface BlockNames {
  /** Where `k_scale` and `v_scale` of the cache live. */
  readonly attention: string;
  /** Absent where q, k and v read the residual stream itself. */
  readonly attentionNorm?: string;
  /** One module each, or `qkv` for one with the rows of all. */
  readonly query?: string;
  readonly key?: string;
  readonly value?: string;
  readonly qkv?: string;
  /** Norms of queries and keys; `*` stands for the number of a head, where each has a tensor of its own. */
  readonly queryNorm?: string;
  readonly keyNorm?: string;
  readonly output?: string;
  /** In place of attention: from E to 3 E channels, the convolution itself [E, 1, K], from E to E. */
  readonly convolutionIn?: string;
  readonly convolution?: string;
  readonly convolutionOut?: string;
  /** Norm of what attention gives, before it is added to the residual stream. */
  readonly attentionOutputNorm?: string;
  /** Norms of the residual stream, once what attention or the MLP gives is added. */
  readonly attentionStreamNorm?: string;
  readonly mlpStreamNorm?: string;
  /** Absent where the attention's norm feeds the MLP as well, or neither has a norm before it. */
  readonly mlpNorm?: string;
  /** Absent where there is no gate, or `up` has its rows before its own. */
  readonly gate?: string;
  readonly up: string;
  readonly down: string;
  /** Norm of what the MLP gives. */
  readonly mlpOutputNorm?: string;
}

/**
 * How a checkpoint lays out a weight [N, K] that differs from out_features by in_features, q, k and v one
 * after another: transposed (the Conv1D of GPT-2), or the rows of q, k and v head by head.
 */
export type StoredOrder = "transposed" | "by_head";

/** What a GGUF calls a family, and what such a file leaves to its reader. */
export interface GgufForm {
  /** `general.architecture`; "llama" stands for several families. */
  readonly architecture: string;
  /** Whether the rows of q and k are interleaved within each head (`gguf-permute.ts`). */
  readonly interleavedHeads?: boolean;
  /** Whether `rope.dimension_count` may be less than a head has. */
  readonly partialRotary?: boolean;
  /** The biases a model of this family can have. */
  readonly biases: {
    readonly attention: readonly ModelConfig["attentionBias"][];
    readonly mlp: readonly boolean[];
    readonly head: boolean;
  };
  /** The norms of queries and keys that a file has or has not; told by their tensors. */
  readonly mayNormHeads?: "each";
  /**
   * Whether a file without windows says so: llama.cpp of February 2025 refuses a Phi-3 that does not, or
   * gives it one.
   */
  readonly statesNoWindow?: boolean;
  /** Whether `logit_scale` is there, and multiplies. */
  readonly logitScale?: "factor";
  /** Keys that only this architecture has a meaning for, without its name in front. */
  readonly ownKeys?: readonly string[];
  /**
   * What those say, and what no key says and other numbers do.
   *
   * @param config what the other keys say
   * @param number reads a key of those; undefined where it is missing or 0, which is llama.cpp's for missing
   */
  readonly own?: (config: ModelConfig, number: (key: string) => number | undefined) => Partial<ModelConfig>;
  /** The way back: what the file of a configuration says under those keys. */
  readonly writeOwn?: (config: ModelConfig) => Readonly<Record<string, number>>;
  /** What the norm behind the last block is called; absent: `output_norm`. */
  readonly finalNorm?: string;
  /** Whether layers without K/V heads have a convolution in place of attention. */
  readonly convolutions?: boolean;
  /**
   * What no key says. A residual that is "stated" has one, `use_parallel_residual`; one "by_norm" is parallel
   * if the MLP has no norm of its own.
   */
  readonly traits: Pick<ModelConfig, "norm" | "positions" | "activation" | "gatedMlp" | "qkNorm"> & {
    readonly parallelResidual: boolean | "stated" | "by_norm";
  } & Partial<Pick<ModelConfig, "rotaryPairs" | "normBias">>;
}

export interface Family {
  /** `model_type` in `config.json`. */
  readonly architecture: Architecture;
  /** Values of `architectures` in `config.json`. */
  readonly className: string;
  /** Without a head, where it is not `className` with "Model" at the end. */
  readonly bareClassName?: string;
  readonly names: ModuleNames;
  /** Begins names of the model's tensors, but is missing in files that were saved without the head. */
  readonly optionalPrefix?: string;
  /** Absent where llama.cpp does not have it. */
  readonly gguf?: GgufForm;
  /** How a Hugging Face folder stores the weights of norms, where not as they are: less 1 (Gemma). */
  readonly storedNorms?: "less_one";
  /** By name of a block's module, where it differs from rows one after another. */
  readonly storedOrder?: Readonly<Partial<Record<keyof BlockNames, StoredOrder>>>;
  /** @throws CheckpointError, UnsupportedModelError naming file and key */
  parseConfig(fields: JsonFields): ModelConfig;
  /**
   * Keys of `config.json` beside `architectures` and `model_type`; `parseConfig` of them gives `config`
   * again.
   */
  writeConfig(config: ModelConfig): JsonObject;
}
