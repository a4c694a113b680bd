/** A loaded model: token ids in, logits out, of many sequences. Prefill and decode are the same function over more or fewer rows. */
import { describeModel } from "../architecture/description.ts";
import type { ModelConfig } from "../architecture/model-config.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { CapacityError, DisposedError, OptionError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { type InstructionSet, type KernelBuild, kernelBuild } from "../kernels/kernel-build.ts";
import type { Pointer } from "../kernels/kernel-exports.ts";
import type { Kernels } from "../kernels/kernels.ts";
import type { RegionKind } from "../kernels/memory-plan.ts";
import { BlockPool } from "./block-pool.ts";
import { type BlockSpec, largestRank, loadBlock, planBlock, readBlockSpec } from "./block.ts";
import { EventLoopPacer } from "./event-loop-pacer.ts";
import type { ForwardOptions, ForwardPass, LogitsBlock } from "./forward-pass.ts";
import { BLOCK_TOKENS, blockBytes, type CacheScales, planCache, readCacheScales } from "./layers/attention.ts";
import { loadEmbedding, planEmbedding } from "./layers/embedding.ts";
import { loadHead, planHead, readHeadSpec } from "./layers/head.ts";
import { type LoadOptions, resolveLoadOptions } from "./load-options.ts";
import { LogitsFunctions, planLogits } from "./logits.ts";
import { type LoadedModel, runPass } from "./pass.ts";
import { type Job, type Part, Scheduler } from "./scheduler.ts";
import { Sequence } from "./sequence.ts";
import { type Planner, Workspace } from "./workspace.ts";

/** What `load` makes and a transformer is. */
interface Parts extends LoadedModel {
  /** One block table for each sequence that can have room at a time. */
  readonly tables: readonly Pointer[];
  readonly blocks: LoadedModel["blocks"];
  readonly cacheBlocks: number;
  /** Bytes of a block of one layer. */
  readonly blockBytes: { readonly k: number; readonly v: number };
  readonly contextSize: number;
  /** First and last byte of the weights. */
  readonly weights: readonly [Pointer, Pointer];
}

export class Transformer implements ForwardPass {
  readonly #parts: Parts;
  readonly #pacer: EventLoopPacer;
  readonly #pool: BlockPool;
  readonly #scheduler: Scheduler;
  readonly #functions: LogitsFunctions;
  readonly #freeTables: Pointer[];
  /** Those that hold a part of the cache. */
  readonly #holders = new Set<Sequence>();
  readonly #own: Sequence;
  #clock = 0;
  #pass: Promise<void> | undefined;
  #disposed = false;

  private constructor(parts: Parts, host: Host) {
    this.#parts = parts;
    this.#pacer = new EventLoopPacer(host);
    this.#pool = new BlockPool(parts.cacheBlocks, (from, to) => this.#copyBlock(from, to));
    this.#functions = new LogitsFunctions(parts.space.kernels, parts.logits);
    this.#freeTables = [...parts.tables];
    const { maxRows } = parts.space.buffers;
    const passes = {
      maxRows,
      reserve: (job: Job, rows: number) => this.#reserve(job, rows),
      run: (batch: readonly Part[]) => (this.#pass = this.#run(batch).finally(() => (this.#pass = undefined))),
    };
    this.#scheduler = new Scheduler(passes, host);
    this.#own = new Sequence(this);
  }

  get config(): ModelConfig {
    return this.#parts.space.config;
  }

  /** Tokens a sequence can have at most. */
  get contextSize(): number {
    return this.#parts.contextSize;
  }

  /** Tokens all sequences together can hold in the cache, and how many no sequence holds. */
  get cacheTokens(): { readonly total: number; readonly free: number; readonly shared: number } {
    return { total: this.#pool.tokens, free: this.#pool.freeTokens, shared: this.#pool.sharedTokens };
  }

  /** The kernels' build: an instruction set, with or without shared memory. */
  get kernelBuild(): KernelBuild {
    return kernelBuild(this.build, this.threads > 1);
  }

  /** Threads the kernels use, the calling one included. */
  get threads(): number {
    return this.kernels.threads;
  }

  /** @internal What it computes with; a benchmark puts clocks around it. */
  get kernels(): Kernels {
    return this.#parts.space.kernels;
  }

  /** Instruction set of the kernels that run. */
  get build(): InstructionSet {
    return this.#parts.space.instructionSet;
  }

  /**
   * Plans the memory, creates it, and streams the checkpoint into it.
   * @throws CheckpointError, UnsupportedModelError, OptionError, CapabilityError, AbortError
   */
  static async load(checkpoint: Checkpoint, host: Host, options: LoadOptions = {}): Promise<Transformer> {
    const { kv, head: headPrecision, contextSize, chunkSize, build, ...room } = resolveLoadOptions(options, checkpoint);
    const description = describeModel(checkpoint.config);
    const headSpec = await readHeadSpec(checkpoint, headPrecision);
    const specs: BlockSpec[] = [];
    const scales: CacheScales[] = [];
    // One after another, in the order of the files, as a network has them fastest.
    for (const block of description.blocks) {
      specs.push(await readBlockSpec(checkpoint, block));
      scales.push(await readCacheScales(checkpoint, block, kv));
    }
    const rows = Math.min(chunkSize, contextSize);
    const size = { rows, positions: contextSize, rank: Math.max(...specs.map(largestRank)), build };
    const cacheBlocks = Math.ceil(room.cacheTokens / BLOCK_TOKENS);
    const work = { host, ...options };
    const { space, placed } = await Workspace.open(work, description, size, (planner: Planner) => {
      const { plan } = planner;
      const caches = scales.map((ofLayer) => planCache(planner, cacheBlocks, kv, ofLayer));
      const tableBytes = 4 * Math.ceil(contextSize / BLOCK_TOKENS);
      const tables = Array.from({ length: room.maxSequences }, () => plan.reserve("scratch", tableBytes, "block table"));
      const begin = plan.reserve("weights", 0, "weights");
      const blocks = specs.map((spec, l) => planBlock(planner, spec, caches[l]!));
      const { table, head } = planHead(planner, headSpec);
      const embedding = planEmbedding(planner, table, contextSize);
      const weights = [begin, plan.reserve("weights", 0, "weights")] as const;
      return { blocks, head, embedding, weights, tables, logits: planLogits(planner, rows), blockBytes: blockBytes(planner, kv) };
    });
    const total = [...checkpoint.tensors.values()].reduce((sum, { bytes }) => sum + bytes, 0);
    let done = 0;
    const ask = (loader: Parameters<Parameters<Workspace["load"]>[1]>[0]) => {
      loadHead(loader, description, headSpec, placed.embedding.table, placed.head);
      loadEmbedding(loader, space, placed.embedding);
      for (const [l, spec] of specs.entries()) loadBlock(loader, description.config, spec, placed.blocks[l]!);
    };
    await space.load(checkpoint, ask, options, (bytes) => {
      done += bytes;
      options.onProgress?.({ phase: "load", done: Math.min(done, total), total, unit: "bytes" });
    });
    return new Transformer({ space, ...placed, cacheBlocks, contextSize }, host);
  }

  /** Makes a sequence, empty. It takes room in the cache only with its first token. */
  createSequence(): Sequence {
    this.#checkNotDisposed();
    return new Sequence(this);
  }

  /** Tokens in this model's own sequence: what `forward` and `truncate` of the model itself work on. */
  get length(): number {
    return this.#own.length;
  }

  get evaluated(): number {
    return this.#own.evaluated;
  }

  forward(ids: ArrayLike<number>, options: ForwardOptions): Promise<Float32Array | undefined> {
    return this.#own.forward(ids, options);
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
    return this.#parts.space.regions;
  }

  /** Ends the threads, and what sequences are computing, with an error. The model cannot be used afterwards. */
  async dispose(): Promise<void> {
    this.#disposed = true;
    this.#scheduler.end(undefined, new DisposedError("model: was disposed while a sequence was running"));
    await this.#pass;
    await this.#parts.space.dispose();
  }

  /** @internal A place in the line for room in the cache. */
  arrive(): number {
    return this.#scheduler.arrive();
  }

  /** @internal Computes what is missing of a sequence's ids. */
  evaluate(sequence: Sequence, from: number, options: ForwardOptions): Promise<Float32Array | undefined> {
    return this.#scheduler.evaluate(sequence, from, options);
  }

  /** @internal Lets go of a sequence's part of the cache behind `length` tokens. */
  release(sequence: Sequence, length: number): void {
    this.#pool.truncate(sequence.held, length);
    if (sequence.held.blocks.length === 0 && sequence.table !== 0) {
      this.#freeTables.push(sequence.table);
      sequence.table = 0;
      this.#holders.delete(sequence);
    }
    this.#scheduler.changed();
  }

  /** @internal */
  share(from: Sequence, to: Sequence): void {
    to.held = this.#pool.share(from.held);
    this.#holders.add(to);
  }

  /** @internal */
  forget(sequence: Sequence): void {
    this.#scheduler.end(sequence, new DisposedError("sequence: was disposed while it was running"));
    this.release(sequence, 0);
    this.#holders.delete(sequence);
  }

  /** @internal @throws OptionError for ids outside the vocabulary or more than the context holds; CapacityError if they never fit the cache */
  checkIds(ids: ArrayLike<number>, length: number): void {
    this.#checkNotDisposed();
    const { vocabSize: V } = this.config;
    const needed = length + ids.length;
    if (needed > this.contextSize) {
      throw new OptionError(
        `context: ${length} tokens in the cache and ${ids.length} more, but it holds ${this.contextSize}; raise contextSize or shorten the prompt`,
      );
    }
    const { tokens } = this.#pool;
    if (needed > tokens) {
      throw new CapacityError(`cache: got ${needed} tokens of one sequence, need at most ${tokens}, cacheTokens`, { needed, free: tokens });
    }
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i]!;
      if (!Number.isInteger(id) || id < 0 || id >= V)
        throw new OptionError(`token ${i}: got id ${id}, need an integer from 0 to ${V - 1}`);
    }
  }

  #checkNotDisposed(): void {
    if (this.#disposed) throw new DisposedError("model: got one that was disposed, need to load it again");
  }

  /** Room for the next rows of a sequence: a block table, and blocks that are its own. */
  #reserve({ sequence, from, options }: Job, rows: number): boolean {
    if (sequence.table === 0) {
      while (this.#freeTables.length === 0) if (!this.#takeFrom(sequence, ({ table }) => table !== 0)) return false;
      sequence.table = this.#freeTables.pop()!;
      this.#holders.add(sequence);
    }
    if (sequence.held.length === 0 && sequence.shares) {
      const most = typeof options.logits === "function" ? from : sequence.length - 1;
      this.#pool.truncate(sequence.held, 0);
      sequence.held = this.#pool.match(sequence.ids, most);
    }
    const missing = Math.min(rows, sequence.length - sequence.held.length);
    while (!this.#pool.extend(sequence.held, missing)) {
      if (!this.#takeFrom(sequence, ({ held }) => held.blocks.length > 0)) return false;
    }
    const numbers = sequence.held.blocks.map(({ number }) => number);
    this.kernels.i32(sequence.table, numbers.length).set(numbers);
    sequence.used = ++this.#clock;
    return true;
  }

  /** Takes all it has from a sequence that nobody runs, or that came later; says whether there was one. */
  #takeFrom(sequence: Sequence, has: (other: Sequence) => boolean): boolean {
    const later = [...this.#holders].filter(
      (other) => other !== sequence && has(other) && (other.rank === undefined || other.rank > sequence.rank!),
    );
    const idle = later.filter(({ rank }) => rank === undefined).toSorted((a, b) => a.used - b.used);
    const victim = idle[0] ?? later.toSorted((a, b) => b.rank! - a.rank!)[0];
    if (!victim) return false;
    this.release(victim, 0);
    return true;
  }

  async #run(parts: readonly Part[]): Promise<void> {
    await runPass(this.#parts, parts, this.#pacer, ({ job, rows }, ids) => {
      const { sequence } = job;
      this.#pool.record(sequence.held, ids);
      sequence.evaluated += rows;
    });
  }

  #copyBlock(from: number, to: number): void {
    const { blocks, blockBytes: bytes } = this.#parts;
    for (const { cache } of blocks) {
      for (const half of ["k", "v"] as const) {
        const source = this.kernels.u8(cache[half] + from * bytes[half], bytes[half]);
        this.kernels.u8(cache[half] + to * bytes[half], bytes[half]).set(source);
      }
    }
  }
}
