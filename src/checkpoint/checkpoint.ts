/**
 * A checkpoint as the rest of the package sees it: one shape for safetensors folders and GGUF files.
 *
 * Tensors carry their Hugging Face names and row order, whatever the file called them (`tensor-names.ts`,
 * `gguf-permute.ts`).
 */
import type { JsonObject } from "../json-object.ts";
import type { ModelConfig } from "../architecture/model-config.ts";
import type { DenseWeights, Pooling } from "./pooling.ts";
import type { KeptForm, KeptRows } from "./quantization/kept-form.ts";
import type { QuantizationScheme } from "./quantization/quantization-config.ts";
import type { RecommendedSampling } from "./recommended-sampling.ts";

/**
 * Element types of stored tensors: the safetensors names, integers with scales and zero points in tensors of
 * their own (`quantization/integer-scheme.ts`), and the block formats of GGUF.
 */
export type TensorType =
  | "F32" | "F16" | "BF16" | "F64" | "I8" | "U8" | "I16" | "I32" | "I64" | "BOOL"
  | "INT4" | "INT8"
  | "Q4_0" | "Q4_1" | "Q5_0" | "Q5_1" | "Q8_0" | "Q2_K" | "Q3_K" | "Q4_K" | "Q5_K" | "Q6_K" | "IQ4_NL" | "IQ4_XS" | "MXFP4"; // prettier-ignore

/** What is known of a tensor before it is read. */
export interface TensorInfo {
  /** Hugging Face name, for instance `model.layers.0.self_attn.q_proj.weight`. */
  readonly name: string;
  /** How its numbers are stored. */
  readonly type: TensorType;
  /** Row-major, outermost first: `[out_features, in_features]` for a linear layer. */
  readonly shape: readonly number[];
  /** Stored size. */
  readonly bytes: number;
  /** File the tensor is in, for messages and `fptq inspect`. */
  readonly file: string;
}

/** The contents of `tokenizer.json` and `tokenizer_config.json`; rebuilt from the metadata of a GGUF. */
export interface TokenizerFiles {
  readonly tokenizerJson: Record<string, unknown>;
  readonly tokenizerConfig: Record<string, unknown>;
  /** What was guessed in making them, for whoever loads the model. */
  readonly notes?: readonly string[];
}

/** `generation_config.json`, the part that decoding uses. */
export interface GenerationConfig {
  /** Every id that ends a generation. */
  readonly eosTokenIds: readonly number[];
  readonly sampling: RecommendedSampling;
}

/** Opened files of a model: its configuration, and its tensors to be read. */
export interface Checkpoint {
  /** Path or URL, for messages. */
  readonly name: string;
  /** Kind of files. */
  readonly format: "safetensors" | "gguf";
  /** Sizes and choices of the model. */
  readonly config: ModelConfig;
  /**
   * `config.json` as it was, for writing it again with keys this package does not know; made from the
   * metadata of a GGUF.
   */
  readonly configJson: JsonObject;
  /** The scheme of linear layers stored quantized in compressed-tensors form, if they are. */
  readonly quantization: QuantizationScheme | undefined;
  /** Files of the tokenizer; undefined where there are none. */
  readonly tokenizer: TokenizerFiles | undefined;
  /** Tokens that end texts, and sampling its authors recommend. */
  readonly generation: GenerationConfig;
  /** How states become vectors of texts, where the files say so. */
  readonly pooling?: Pooling | undefined;
  /**
   * Weights of the linear layers behind pooling, where there are any.
   * @throws CheckpointError, UnsupportedModelError for files that are not as `pooling` says
   */
  readDense?(signal?: AbortSignal): Promise<readonly DenseWeights[]>;
  /** The tensors by Hugging Face name, in file order. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /**
   * What a reader of the files may not expect: something left out, read under another name, or contradicting
   * something else. Each is one line that names file and key or tensor; whoever loads the model is told.
   */
  readonly notes: readonly string[];

  /**
   * Rows `[rowBegin, rowEnd)` of a tensor as float32, dequantized if the type is a block format, in Hugging
   * Face row order. A one-dimensional tensor counts as one row per element. Without a range: all of it.
   *
   * @returns row-major values, `(rowEnd - rowBegin) * product(shape[1..])` of them
   * @throws CheckpointError if the tensor is missing or its bytes cannot be read; UnsupportedModelError for
   *   integer types
   */
  readF32(name: string, options?: ReadOptions): Promise<Float32Array>;

  /**
   * Stored bytes of rows, little-endian, row-major, not converted: elements, or the blocks of a GGUF format,
   * of which a row has a whole number.
   * @throws CheckpointError if the tensor is missing or its bytes cannot be read
   */
  readRaw(name: string, options?: ReadOptions): Promise<Uint8Array>;

  /**
   * The form in which a linear module's weights can run as they are stored; undefined if they are floats.
   *
   * @param module its Hugging Face name, without `.weight`
   */
  keptForm(module: string): KeptForm | undefined;

  /**
   * Weights of rows of a module that has a `keptForm`, as that form's kernels take them; in Hugging Face row
   * order, their columns in the order of `readKeptOrder`. Nothing is rounded.
   *
   * @throws CheckpointError if the module has no such form, or its bytes cannot be read
   */
  readKept(module: string, options?: ReadOptions): Promise<KeptRows>;

  /**
   * Which column of a module's weights each column of `readKept` is; undefined where it is each its own.
   *
   * @throws CheckpointError if the order that is stored is none
   */
  readKeptOrder?(module: string, signal?: AbortSignal): Promise<Int32Array | undefined>;

  /**
   * Begins what `verify` waits for, where that can be done beside other work. To be called before loading.
   */
  startVerifying?(): void;

  /**
   * Compares the files with the digests there are for them, in the index or where the files came from. What
   * was read before counts as read: a file that watched its bytes go by is not read again.
   *
   * @throws CheckpointError naming the file whose bytes are not those that were written
   */
  verify(signal?: AbortSignal): Promise<void>;

  /** Closes the files. */
  close(): Promise<void>;
}

export interface ReadOptions {
  rows?: readonly [begin: number, end: number] | undefined;
  signal?: AbortSignal | undefined;
}
