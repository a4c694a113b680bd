/**
 * What decoding and evaluation ask of a model. The transformer beside this file is one; tests put a toy
 * language model in its place.
 *
 * Every function of floating-point logits whose last bit could differ between engines (softmax, cross
 * entropy, divergence) is here and is computed in wasm, so that a seed gives the same tokens on every
 * runtime. The host only compares, adds, multiplies and divides.
 */
import type { ModelConfig } from "../architecture/model-config.ts";
import type { Pointer } from "../kernels/pointer.ts";

/** Logits of consecutive rows, handed out while they are in wasm memory. */
export interface LogitsBlock {
  /** f32[rows, V], a view valid only during the call. */
  readonly values: Float32Array;
  /** Address of `values` in wasm memory. */
  readonly pointer: Pointer;
  /** Which of the ids given to `forward` row 0 of the block belongs to. */
  readonly firstRow: number;
  readonly rows: number;
}

/** States of consecutive rows after the final norm, handed out while they are in wasm memory. */
export interface StatesBlock {
  /** f32[rows, E], a view valid only during the call. */
  readonly values: Float32Array;
  /** Which of the ids given to `forward` row 0 of the block belongs to. */
  readonly firstRow: number;
  readonly rows: number;
}

/** Takes what the head would read: of the last id, or of every id in blocks of ascending rows. */
export interface StatesReader {
  readonly of: "last" | "all";
  readonly read: (block: StatesBlock) => void;
}

export interface ForwardOptions {
  /**
   * None, those of the last id, or those of every id in blocks of ascending rows. A model without a head has
   * none.
   */
  readonly logits: "none" | "last" | ((block: LogitsBlock) => void);
  /** In place of logits, where `logits` is "none". */
  readonly states?: StatesReader | undefined;
  /**
   * Given "last" logits, f32[V], while they are in wasm memory, where it may change them; `forward` then
   * returns undefined. It spares a copy.
   */
  readonly read?: ((logits: Float32Array) => void) | undefined;
  /**
   * How many of the last ids are drafts: where they would take room from others, or time in a pass others are
   * in, they are left out, from the end. `length` says then how many went through.
   */
  readonly drafts?: number | undefined;
  /** Told of each pass in which no other sequence had rows, before its result is known. */
  readonly onPass?: ((pass: PassTime) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface PassTime {
  readonly rows: number;
  /** Until logits were given, what their reader did included. */
  readonly ms: number;
}

export interface ForwardPass {
  readonly config: ModelConfig;
  /** Capacity of the KV cache in tokens. */
  readonly contextSize: number;
  /** Tokens a sequence can have at most: `contextSize`, or fewer where the whole cache holds no more. */
  readonly mostTokens: number;
  /** Tokens now in the KV cache, in order. */
  readonly ids: readonly number[];
  /** How many they are. */
  readonly length: number;
  /** Tokens that went through the model so far: what was found in the cache did not. */
  readonly evaluated: number;

  /** Makes another sequence over the same model, empty. Dispose of it after use. */
  createSequence(): ForwardPass & Disposable;

  /**
   * Appends ids to the KV cache at `length`, in chunks; yields to the event loop between layers when due and
   * honours the signal there.
   *
   * @returns with "last", a copy of the logits of the last id, f32[V]; otherwise undefined
   * @throws AbortError; the cache then keeps only whole chunks, and `length` says how many tokens that is
   */
  forward(ids: ArrayLike<number>, options: ForwardOptions): Promise<Float32Array | undefined>;

  /** Forgets every token at and after position `length`. */
  truncate(length: number): void;

  /**
   * y = softmax(logits / temperature), f32[V], computed in wasm; a view valid until the next `softmax`. Does
   * not change `logits`.
   */
  softmax(logits: Float32Array, temperature: number): Float32Array;

  /** Id of the largest of f32[V], the lowest id among equals. */
  argmax(logits: Float32Array): number;

  /**
   * Negative log-likelihood (natural logarithm) of `targets[r]` under row r of a block, computed in wasm.
   * @returns f64[rows], a view valid until the next `crossEntropy`
   */
  crossEntropy(block: LogitsBlock, targets: ArrayLike<number>): Float64Array;

  /**
   * KL(softmax(base) || softmax(logits)) in nats, computed in wasm; both f32[V].
   * @param base logits of another model, in that model's memory or the host's
   */
  klDivergence(base: Float32Array, logits: Float32Array): number;
}
