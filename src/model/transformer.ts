/**
 * A loaded model: token ids in, logits out, of many sequences. Prefill and decode are the same function over
 * more or fewer rows.
 */
import type { ModelConfig } from "../architecture/model-config.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { CapacityError, DisposedError, OptionError, UnsupportedModelError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { type BuildName, type KernelBuild, kernelBuild } from "../kernels/kernel-build.ts";
import type { Kernels } from "../kernels/kernels.ts";
import { type RegionKind, totalBytes } from "../kernels/memory-plan.ts";
import { EventLoopPacer } from "./event-loop-pacer.ts";
import type { ForwardOptions, ForwardPass, LogitsBlock } from "./forward-pass.ts";
import type { LoadOptions } from "./load-options.ts";
import { LogitsFunctions } from "./logits.ts";
import { openModel, type OpenedModel } from "./open-model.ts";
import { disposeWorkspaces } from "./workspace/open-workspace.ts";
import { runPass } from "./pass.ts";
import { readModelPlan } from "./plan-model.ts";
import type { KvPrecision } from "./precision.ts";
import { type Job, type Part, Scheduler } from "./sequences/scheduler.ts";
import { SavedSequences } from "./sequences/saved-sequences.ts";
import { KvCache } from "./sequences/kv-cache.ts";
import { Sequence, type SequenceOwner } from "./sequences/sequence.ts";

export class Transformer implements ForwardPass, SequenceOwner {
  readonly #parts: OpenedModel;
  /** @internal Lets other events of the program run. */
  readonly pacer: EventLoopPacer;
  readonly #cache: KvCache;
  readonly #saved: SavedSequences;
  readonly #scheduler: Scheduler;
  readonly #functions: LogitsFunctions;
  readonly #own: Sequence;
  #pass: Promise<void> | undefined;
  #disposed = false;

  private constructor(parts: OpenedModel, host: Host) {
    this.#parts = parts;
    this.pacer = new EventLoopPacer(host);
    const { kernels, buffers } = parts.head.space;
    this.#cache = new KvCache(parts);
    this.#saved = new SavedSequences(this.#cache, parts.weights);
    this.#functions = new LogitsFunctions(kernels, parts.logits);
    const { maxRows } = buffers;
    const { bidirectional } = this.config;
    const passes = {
      maxRows,
      whole: bidirectional,
      reserve: ({ sequence, from, options: { logits, states } }: Job, rows: number) => {
        const wantsAll = typeof logits === "function" || states?.of === "all";
        // Where tokens see those after them, keys of the same beginning are not the same.
        const shared = bidirectional ? 0 : wantsAll ? from : sequence.length - 1;
        return this.#cache.reserve(sequence, rows, shared);
      },
      reserveFree: ({ sequence }: Job, rows: number) => this.#cache.reserveFree(sequence, rows),
      run: (batch: readonly Part[]) => (this.#pass = this.#run(batch).finally(() => (this.#pass = undefined))),
    };
    this.#scheduler = new Scheduler(passes, host);
    this.#own = new Sequence(this);
  }

  get config(): ModelConfig {
    return this.#parts.head.space.config;
  }

  /** Tokens a sequence can have at most. */
  get contextSize(): number {
    return this.#parts.contextSize;
  }

  get mostTokens(): number {
    return Math.min(this.contextSize, this.#cache.mostTokens);
  }

  /**
   * The cache all sequences share: tokens in all, free, shared by several, and what a new sequence may have
   * without others giving way.
   */
  get cacheTokens(): { readonly total: number; readonly free: number; readonly shared: number; readonly available: number } {
    return { ...this.#cache.tokens, available: this.#cache.availableTokens };
  }

  /** Tokens of the cache that a sequence of so many takes at most: fewer where all layers have windows. */
  roomOf(tokens: number): number {
    return this.#cache.roomOf(tokens);
  }

  /** The kernels' build, with or without shared memory. */
  get kernelBuild(): KernelBuild {
    return kernelBuild(this.build, this.kernels.shared);
  }

  /** Threads the kernels use, the calling one included. */
  get threads(): number {
    return this.kernels.threads;
  }

  /** How keys and values are stored: what was asked for and the checkpoint has. */
  get kvCache(): KvPrecision {
    return this.#parts.caches[0]!.item.precision;
  }

  /** @internal What it computes with, in the first of its memories; a benchmark puts clocks around it. */
  get kernels(): Kernels {
    return this.#parts.spaces[0]!.kernels;
  }

  /** The build of the kernels that run. */
  get build(): BuildName {
    return this.#parts.head.space.build;
  }

  /**
   * Plans the memory, or several, creates it, and streams the checkpoint into it.
   *
   * @param meanwhile work of the caller's own for the time in which threads start
   * @throws CheckpointError, UnsupportedModelError, OptionError, CapabilityError, AbortError
   */
  static async load(checkpoint: Checkpoint, host: Host, options: LoadOptions = {}, meanwhile = () => {}): Promise<Transformer> {
    const plan = await readModelPlan(checkpoint, options);
    return new Transformer(await openModel(checkpoint, plan, { host, ...options }, meanwhile), host);
  }

  /** Makes a sequence, empty. It takes room in the cache only with its first token. */
  createSequence(): Sequence {
    this.checkNotDisposed();
    return new Sequence(this);
  }

  /** Tokens in this model's own sequence: what `forward` and `truncate` of the model itself work on. */
  get ids(): readonly number[] {
    return this.#own.ids;
  }

  get length(): number {
    return this.#own.length;
  }

  get evaluated(): number {
    return this.#own.evaluated;
  }

  forward(ids: ArrayLike<number>, options: ForwardOptions): Promise<Float32Array | undefined> {
    return this.#own.forward(ids, options);
  }

  append(ids: readonly number[]): void {
    this.#own.append(ids);
  }

  truncate(length: number): void {
    this.#own.truncate(length);
  }

  softmax(logits: Float32Array, temperature: number): Float32Array {
    return this.#functions.softmax(logits, temperature);
  }

  argmax(logits: Float32Array): number {
    return this.#functions.argmax(logits);
  }

  crossEntropy(block: LogitsBlock, targets: ArrayLike<number>): Float64Array {
    return this.#functions.crossEntropy(block, targets);
  }

  klDivergence(base: Float32Array, logits: Float32Array): number {
    return this.#functions.klDivergence(base, logits);
  }

  /** Bytes of linear memory by purpose. */
  memory(): Readonly<Record<RegionKind, number>> {
    return totalBytes(this.#parts.spaces.map(({ regions }) => regions));
  }

  /** WebAssembly memories among which the layers are divided. */
  get memories(): number {
    return this.#parts.spaces.length;
  }

  /**
   * Ends the threads, and what sequences are computing, with an error, and lets go of the memory. The model
   * cannot be used afterwards.
   */
  async dispose(): Promise<void> {
    this.#disposed = true;
    this.#scheduler.end(undefined, new DisposedError("model: was disposed while a sequence was running"));
    await this.#passEnded();
    await disposeWorkspaces(this.#parts.spaces);
  }

  /** @internal A place in the line for room in the cache. */
  arrive(): number {
    return this.#scheduler.arrive();
  }

  /** @internal Computes what is missing of a sequence's ids. */
  evaluate(sequence: Sequence, from: number, options: ForwardOptions): Promise<Float32Array | undefined> {
    if (options.logits !== "none" && this.config.headless) {
      return Promise.reject(new UnsupportedModelError("logits: got a model without a head, need one that has a head"));
    }
    return this.#scheduler.evaluate(sequence, from, options);
  }

  /** @internal Lets go of a sequence's part of the cache behind `length` tokens. */
  release(sequence: Sequence, length: number): void {
    this.#cache.release(sequence, length);
    this.#scheduler.changed();
  }

  /** @internal */
  share(from: Sequence, to: Sequence): void {
    this.#cache.share(from, to);
  }

  /** @internal */
  forget(sequence: Sequence): void {
    this.#scheduler.end(sequence, new DisposedError("sequence: was disposed while it was running"));
    this.release(sequence, 0);
  }

  /**
   * @internal @throws OptionError for ids outside the vocabulary or more than the context holds;
   * CapacityError if they never fit the cache
   */
  checkIds(ids: ArrayLike<number>, length: number): void {
    this.checkNotDisposed();
    const { vocabSize: V } = this.config;
    const needed = length + ids.length;
    if (this.config.bidirectional && length > 0 && ids.length > 0) {
      throw new OptionError(
        `sequence: got ${ids.length} tokens after ${length} others, need a whole text: its tokens see those after them`,
      );
    }
    if (needed > this.contextSize) {
      throw new OptionError(
        `context: ${length} tokens in the cache and ${ids.length} more, but it holds ${this.contextSize}; raise contextSize or shorten the prompt`,
      );
    }
    const tokens = this.#cache.mostTokens;
    if (needed > tokens) {
      throw new CapacityError(`cache: got ${needed} tokens of one sequence, need at most ${tokens}, cacheTokens`, {
        needed,
        free: tokens,
      });
    }
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i]!;
      if (!Number.isInteger(id) || id < 0 || id >= V)
        throw new OptionError(`token ${i}: got id ${id}, need an integer from 0 to ${V - 1}`);
    }
  }

  /** @internal */
  save(sequence: Sequence): Promise<Uint8Array<ArrayBuffer>> {
    return this.#saved.save(sequence);
  }

  /** @internal */
  async restore(sequence: Sequence, bytes: Uint8Array): Promise<void> {
    const state = await this.#saved.read(bytes);
    this.checkIds(state.ids, 0);
    while (this.#pass) await this.#passEnded();
    this.checkNotDisposed();
    this.#saved.place(sequence, state);
  }

  /** @internal @throws DisposedError */
  checkNotDisposed(): void {
    if (this.#disposed) throw new DisposedError("model: got one that was disposed, need to load it again");
  }

  /** Whoever it was for has been told what came of it. */
  async #passEnded(): Promise<void> {
    await this.#pass?.catch(() => {});
  }

  async #run(parts: readonly Part[]): Promise<void> {
    await runPass(this.#parts, parts, this.pacer, ({ job, rows }, ids) => {
      const { sequence } = job;
      this.#cache.record(sequence, ids);
      sequence.evaluated += rows;
    });
  }
}
