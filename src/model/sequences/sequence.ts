/**
 * One text in a model: its ids, and the blocks of the cache that hold keys and values of the first of them. A
 * sequence whose blocks were needed elsewhere keeps its ids, and what is missing is computed again when it
 * goes on; since bits never change, nobody can see it but by the clock.
 */
import { DisposedError, OptionError } from "../../errors.ts";
import type { ModelConfig } from "../../architecture/model-config.ts";
import type { HeldBlocks } from "./block-pool.ts";
import type { ForwardOptions, ForwardPass, LogitsBlock } from "../forward-pass.ts";

/** What a sequence asks of the model it belongs to. */
export interface SequenceOwner extends Pick<
  ForwardPass,
  "config" | "contextSize" | "mostTokens" | "softmax" | "argmax" | "crossEntropy" | "klDivergence"
> {
  createSequence(): Sequence;
  /** @internal @throws DisposedError */
  checkNotDisposed(): void;
  /** @internal Gives a place in the line for room in the cache. */
  arrive(): number;
  /** @internal */
  checkIds(ids: ArrayLike<number>, length: number): void;
  /** @internal Computes what is missing of a sequence's ids, and gives logits of those from `from` on. */
  evaluate(sequence: Sequence, from: number, options: ForwardOptions): Promise<Float32Array | undefined>;
  /** @internal */
  release(sequence: Sequence, length: number): void;
  /** @internal */
  share(from: Sequence, to: Sequence): void;
  /** @internal */
  save(sequence: Sequence): Promise<Uint8Array<ArrayBuffer>>;
  /** @internal */
  restore(sequence: Sequence, bytes: Uint8Array): Promise<void>;
  /** @internal */
  forget(sequence: Sequence): void;
}

export class Sequence implements ForwardPass, Disposable {
  readonly #model: SequenceOwner;
  readonly #ids: number[] = [];
  /** @internal Blocks, and how many tokens of them are computed. */
  held: HeldBlocks = { blocks: [], passed: 0, length: 0 };
  /** @internal Number of its block table; undefined while it holds no blocks. */
  table: number | undefined;
  /**
   * @internal Rank among those that ask for room: the smaller goes first; undefined while nothing runs that
   * must be kept.
   */
  rank: number | undefined;
  /** @internal When it was last part of a pass. */
  used = 0;
  /** @internal Whether it may begin with blocks that others have computed. */
  shares = false;
  evaluated = 0;
  #running = false;
  #disposed = false;

  /** @internal Made by `Transformer.createSequence`. */
  constructor(model: SequenceOwner) {
    this.#model = model;
  }

  get config(): ModelConfig {
    return this.#model.config;
  }

  get contextSize(): number {
    return this.#model.contextSize;
  }

  get mostTokens(): number {
    return this.#model.mostTokens;
  }

  get ids(): readonly number[] {
    return this.#ids;
  }

  get length(): number {
    return this.#ids.length;
  }

  get disposed(): boolean {
    return this.#disposed;
  }

  createSequence(): Sequence {
    return this.#model.createSequence();
  }

  async forward(ids: ArrayLike<number>, options: ForwardOptions): Promise<Float32Array | undefined> {
    this.checkUsable();
    this.#model.checkIds(ids, this.length);
    const from = this.length;
    const wanted = from + ids.length - (options.drafts ?? 0);
    for (let i = 0; i < ids.length; i++) this.#ids.push(ids[i]!);
    try {
      return await this.#evaluate(from, options);
    } catch (error) {
      // Whole chunks that are done stay, drafts do not.
      this.#ids.length = Math.max(from, Math.min(this.length, this.held.length, wanted));
      if (this.held.length > this.length) this.#model.release(this, this.length);
      throw error;
    }
  }

  /** @internal Forgets its last ids, which nothing was computed of, while it is running. */
  leaveOut(count: number): void {
    this.#ids.length -= count;
  }

  async #evaluate(from: number, options: ForwardOptions): Promise<Float32Array | undefined> {
    if (this.held.length === this.length) return undefined;
    const own = this.rank === undefined;
    this.rank ??= this.#model.arrive();
    this.#running = true;
    try {
      return await this.#model.evaluate(this, from, options);
    } finally {
      this.#running = false;
      if (own) this.rank = undefined;
    }
  }

  /** Computes what is missing of the keys and values of its ids. */
  async complete(signal?: AbortSignal): Promise<void> {
    this.checkUsable();
    await this.#evaluate(this.length, { logits: "none", signal });
  }

  truncate(length: number): void {
    this.checkUsable();
    if (!Number.isInteger(length) || length < 0 || length > this.length) {
      throw new OptionError(`truncate: got ${length}, need an integer from 0 to ${this.length}`);
    }
    this.#ids.length = length;
    this.#model.release(this, length);
  }

  /** Appends ids of which nothing is computed until something behind them is. @throws as `forward` does */
  append(ids: readonly number[]): void {
    this.checkUsable();
    this.#model.checkIds(ids, this.length);
    for (const id of ids) this.#ids.push(id);
  }

  /** Makes a sequence with the same ids, which shares all blocks until one of the two goes on. */
  fork(): Sequence {
    this.checkUsable();
    const fork = this.#model.createSequence();
    fork.#ids.push(...this.#ids);
    fork.shares = this.shares;
    this.#model.share(this, fork);
    return fork;
  }

  /**
   * The sequence as bytes, for `restore` of a model with the same weights and precision of the cache, on any
   * machine.
   */
  save(): Promise<Uint8Array<ArrayBuffer>> {
    this.checkUsable();
    return this.#model.save(this);
  }

  /**
   * Becomes the sequence that was saved; what it had is gone.
   * @throws CheckpointError for bytes that are truncated, changed, or of another checkpoint or precision; it
   *   keeps what it has then
   */
  async restore(bytes: Uint8Array): Promise<void> {
    this.checkUsable();
    await this.#model.restore(this, bytes);
  }

  /** @internal Has these ids and no others, of which nothing is computed. */
  adopt(ids: readonly number[]): void {
    this.truncate(0);
    for (const id of ids) this.#ids.push(id);
  }

  softmax(logits: Float32Array, temperature: number): Float32Array {
    return this.#model.softmax(logits, temperature);
  }

  argmax(logits: Float32Array): number {
    return this.#model.argmax(logits);
  }

  crossEntropy(block: LogitsBlock, targets: ArrayLike<number>): Float64Array {
    return this.#model.crossEntropy(block, targets);
  }

  klDivergence(base: Float32Array, logits: Float32Array): number {
    return this.#model.klDivergence(base, logits);
  }

  /**
   * Lets go of its part of the cache. What it is computing ends with an error; it cannot be used afterwards.
   */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#model.forget(this);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** @throws DisposedError if it or its model was disposed; OptionError while something else uses it */
  checkUsable(): void {
    this.#model.checkNotDisposed();
    if (this.#disposed) throw new DisposedError("sequence: got one that was disposed, need a new one");
    if (this.#running) throw new OptionError("sequence: got a call while another one is running, need to await that first");
  }
}
