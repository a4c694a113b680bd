/** A loaded model: token ids in, logits out. Prefill and decode are the same function over more or fewer rows. */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { ModelConfig } from "../architecture/model-config.ts";
import { attentionModule, FINAL_NORM } from "../architecture/tensor-names.ts";
import { NumericError, OptionError, throwIfAborted } from "../errors.ts";
import { type InstructionSet, type KernelBuild, kernelBuild } from "../kernels/kernel-build.ts";
import type { Kernels } from "../kernels/kernels.ts";
import type { RegionKind } from "../kernels/memory-plan.ts";
import { NULL, offsetBy, type Pointer } from "../kernels/pointer.ts";
import type { Host } from "../host/host.ts";
import { blockWork, forwardBlock } from "./block.ts";
import { EventLoopPacer } from "./event-loop-pacer.ts";
import type { ForwardOptions, ForwardPass, LogitsBlock } from "./forward-pass.ts";
import { loadHead, planHead, readHeadSpec } from "./head.ts";
import { type LayerCache, planLayerCache } from "./kv-cache.ts";
import { largestRank, type LayerSpec, loadLayer, planLayer, readLayerSpec } from "./layer-loader.ts";
import { type LogitsBuffers, planLogits } from "./logits-buffers.ts";
import { multiply, normInput } from "./linear.ts";
import { readScale } from "./linear-spec.ts";
import { type LoadOptions, resolveLoadOptions } from "./load-options.ts";
import { beginMemoryPlan, openKernels } from "./model-memory.ts";
import { fillRopeTable, planRopeTable, type RopeTable } from "./rope.ts";
import { planRunState, type RunState } from "./run-state.ts";
import { planStaging, WeightLoader } from "./weight-loader.ts";
import type { ModelWeights } from "./weights.ts";

interface Buffers extends LogitsBuffers {
  readonly state: RunState;
}

/** What `load` makes and a transformer is. */
interface Parts {
  readonly config: ModelConfig;
  readonly kernels: Kernels;
  readonly weights: ModelWeights;
  readonly caches: readonly LayerCache[];
  readonly rope: RopeTable;
  readonly buffers: Buffers;
  readonly regions: Readonly<Record<RegionKind, number>>;
  readonly instructionSet: InstructionSet;
}

export class Transformer implements ForwardPass {
  private readonly parts: Parts;
  private readonly pacer: EventLoopPacer;
  private cached = 0;
  private running = false;

  private constructor(parts: Parts, host: Host) {
    this.parts = parts;
    this.pacer = new EventLoopPacer(host);
  }

  get config(): ModelConfig {
    return this.parts.config;
  }

  /** Tokens the KV cache holds at most. */
  get contextSize(): number {
    return this.parts.caches[0]!.capacity;
  }

  /** The kernels' build: an instruction set, with or without shared memory. */
  get kernelBuild(): KernelBuild {
    return kernelBuild(this.parts.instructionSet, this.threads > 1);
  }

  /** Threads the kernels use, the calling one included. */
  get threads(): number {
    return this.parts.kernels.threads;
  }

  /** @internal What it computes with; a benchmark puts clocks around it. */
  get kernels(): Kernels {
    return this.parts.kernels;
  }

  /** Instruction set of the kernels that run. */
  get build(): InstructionSet {
    return this.parts.instructionSet;
  }

  /**
   * Plans the memory, creates it, and streams the checkpoint into it.
   * @throws CheckpointError, UnsupportedModelError, OptionError, CapabilityError, AbortError
   */
  static async load(checkpoint: Checkpoint, host: Host, options: LoadOptions = {}): Promise<Transformer> {
    const { config } = checkpoint;
    const { kv, head: headPrecision, contextSize, chunkSize, threads, build } = resolveLoadOptions(options, checkpoint, host);
    const { vocabSize: V, hiddenSize: E, heads: H, headDim: D, ffnSize: F } = config;

    const headSpec = await readHeadSpec(checkpoint, headPrecision);
    const layerSpecs: LayerSpec[] = [];
    const kvScales: { k: number; v: number }[] = [];
    // One after another, in the order of the files, as a network has them fastest.
    for (let l = 0; l < config.layers; l++) {
      layerSpecs.push(await readLayerSpec(checkpoint, l));
      const scale = (name: string) => readScale(checkpoint, `${attentionModule(l)}.${name}`);
      kvScales.push({ k: kv.k === "q8" ? await scale("k_scale") : 1, v: kv.v === "q8" ? await scale("v_scale") : 1 });
    }

    const maxRows = Math.min(chunkSize, contextSize);
    const planning = await beginMemoryPlan(host, config, threads, maxRows, contextSize, build);
    const { plan, sizes, instructionSet } = planning;
    const layers = layerSpecs.map((spec) => planLayer(plan, sizes, config, spec));
    const { embedding, table, head } = planHead(plan, sizes, headSpec);
    const weights: ModelWeights = { embedding, layers, finalNorm: plan.reserve("weights", 4 * E, FINAL_NORM), head };
    const rope = planRopeTable(plan, config, contextSize);
    const caches = kvScales.map((scales) => planLayerCache(plan, sizes, config, contextSize, kv, scales));
    const staging = planStaging(plan, Math.max(E, H * D, F));
    const state = planRunState(plan, config, maxRows, Math.max(...layerSpecs.map(largestRank)));
    const buffers: Buffers = { state, ...planLogits(plan, V, maxRows) };

    const kernels = openKernels(host, planning);
    try {
      const total = [...checkpoint.tensors.values()].reduce((sum, { bytes }) => sum + bytes, 0);
      let done = 0;
      const loader = new WeightLoader(kernels, checkpoint, staging, options.signal, (bytes) => {
        done += bytes;
        options.onProgress?.({ phase: "load", done: Math.min(done, total), total, unit: "bytes" });
      });
      loadHead(loader, headSpec, table, head);
      for (const [l, spec] of layerSpecs.entries()) loadLayer(loader, config, spec, layers[l]!);
      loader.vector(FINAL_NORM, weights.finalNorm, E);
      await loader.run();
      fillRopeTable(kernels, config, rope);
      await kernels.threadsStarted();
    } catch (error) {
      await kernels.dispose();
      throw error;
    }
    const regions = plan.bytes();
    return new Transformer({ instructionSet, config, kernels, weights, caches, rope, buffers, regions }, host);
  }

  /** Tokens now in the KV cache. */
  get length(): number {
    return this.cached;
  }

  /** Forgets every token from `length` on. */
  truncate(length: number): void {
    if (!Number.isInteger(length) || length < 0 || length > this.cached) {
      throw new OptionError(`truncate: got ${length}, need an integer from 0 to ${this.cached}`);
    }
    this.cached = length;
  }

  /** Bytes of linear memory by purpose. */
  memory(): Readonly<Record<RegionKind, number>> {
    return this.parts.regions;
  }

  /**
   * Appends ids to the cache, in chunks. Between layers it lets other events run when it has not for a while, and honours the signal;
   * on abort the cache keeps the whole chunks done so far, which `length` counts.
   *
   * @param ids token ids, each in 0..V-1
   * @returns with "last", the logits of the last id, f32[V], a view valid until the next call
   * @throws OptionError if an id is out of range or the cache has no room; NumericError naming the layer for NaN or infinity; AbortError
   */
  async forward(ids: ArrayLike<number>, options: ForwardOptions): Promise<Float32Array | undefined> {
    this.checkIds(ids);
    if (this.running) throw new OptionError("forward: this model is already running; await the earlier call first");
    this.running = true;
    try {
      return await this.forwardChunks(ids, options);
    } finally {
      this.running = false;
    }
  }

  /** @returns softmax(logits / temperature), computed in wasm; a view valid until the next call */
  softmax(logits: Float32Array, temperature: number): Float32Array {
    const { kernels, buffers } = this.parts;
    kernels.run.softmax_f32(this.placeLogits(logits), buffers.probabilities, logits.length, temperature);
    return kernels.f32(buffers.probabilities, logits.length);
  }

  /** @returns the index of the largest logit, the lowest among equals */
  argmax(logits: Float32Array): number {
    return this.parts.kernels.run.argmax_f32(this.placeLogits(logits), logits.length);
  }

  /** @returns for each row of the block, the negative log-likelihood of its target in nats */
  crossEntropy(block: LogitsBlock, targets: ArrayLike<number>): Float64Array {
    const { kernels, buffers, config } = this.parts;
    kernels.i32(buffers.targets, block.rows).set(targets);
    kernels.split("cross_entropy_f32", block.rows, block.pointer, buffers.targets, buffers.losses, config.vocabSize);
    return kernels.f64(buffers.losses, block.rows).slice();
  }

  klDivergence(base: Float32Array, logits: Float32Array): number {
    const { kernels, buffers } = this.parts;
    kernels.f32(buffers.probabilities, base.length).set(base);
    return kernels.run.kl_divergence_f32(buffers.probabilities, this.placeLogits(logits), logits.length);
  }

  /** Ends the threads. The model cannot be used afterwards. */
  async dispose(): Promise<void> {
    await this.parts.kernels.dispose();
  }

  private checkIds(ids: ArrayLike<number>): void {
    const { vocabSize: V } = this.parts.config;
    if (this.cached + ids.length > this.contextSize) {
      throw new OptionError(
        `context: ${this.cached} tokens in the cache and ${ids.length} more, but it holds ${this.contextSize}; raise contextSize or shorten the prompt`,
      );
    }
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i]!;
      if (!Number.isInteger(id) || id < 0 || id >= V)
        throw new OptionError(`token ${i}: got id ${id}, need an integer from 0 to ${V - 1}`);
    }
  }

  private async forwardChunks(ids: ArrayLike<number>, options: ForwardOptions): Promise<Float32Array | undefined> {
    const { logits } = options;
    const { maxRows } = this.parts.buffers.state;
    let last: Float32Array | undefined;
    for (let begin = 0; begin < ids.length; begin += maxRows) {
      const M = Math.min(maxRows, ids.length - begin);
      this.embed(ids, begin, M);
      await this.forwardLayers(M, options);
      this.cached += M;
      if (typeof logits === "function") this.allLogits(M, begin, logits);
      else if (logits === "last" && begin + M === ids.length) last = this.logitsOf(M - 1, 1);
    }
    return last;
  }

  /** All blocks over the M rows just embedded. */
  private async forwardLayers(M: number, { signal }: ForwardOptions): Promise<void> {
    const { kernels, config, weights, caches, rope, buffers } = this.parts;
    const { state } = buffers;
    const position = this.cached;
    for (const [l, layer] of weights.layers.entries()) {
      if (this.pacer.due()) await this.pacer.letEventsRun();
      throwIfAborted(signal, `forward pass, layer ${l}`);
      forwardBlock(kernels, config, layer, caches[l]!, rope, state, M, position, config.attentionWindows[l]!);
      this.pacer.count(blockWork(config, M, position));
      if (kernels.run.first_nonfinite_f32(state.hidden, M * config.hiddenSize) >= 0) {
        throw new NumericError(`model.layers.${l}: output has NaN or infinity at positions ${position}..${position + M - 1}`);
      }
    }
  }

  private embed(ids: ArrayLike<number>, begin: number, M: number): void {
    const { kernels, config, buffers, weights } = this.parts;
    const { vocabSize: V, hiddenSize: E } = config;
    const { state } = buffers;
    const staged = kernels.i32(state.ids, M);
    for (let m = 0; m < M; m++) staged[m] = ids[begin + m]!;
    const embed = weights.embedding.kind === "f32w" ? "embed_f32w" : "embed_qc8w";
    kernels.run[embed](state.ids, weights.embedding.table, state.hidden, M, V, E);
  }

  /** Logits of rows of the chunk just run, in the logits buffer. */
  private logitsOf(row: number, rows: number): Float32Array {
    const { kernels, config, buffers, weights } = this.parts;
    const { hiddenSize: E, vocabSize: V, rmsNormEps } = config;
    const { state } = buffers;
    const norm = { hidden: offsetBy(state.hidden, 4 * row * E), residual: NULL, weight: weights.finalNorm, eps: rmsNormEps };
    normInput(kernels, weights.head, norm, state.normed, rows, state.activations);
    multiply(kernels, weights.head, state.normed, buffers.logits, rows, state.activations);
    this.pacer.count(rows * V * E);
    if (kernels.run.first_nonfinite_f32(buffers.logits, rows * V) >= 0)
      throw new NumericError("lm_head: logits have NaN or infinity");
    return kernels.f32(buffers.logits, rows * V);
  }

  private allLogits(M: number, begin: number, each: (block: LogitsBlock) => void): void {
    const { logitsRows, logits } = this.parts.buffers;
    for (let row = 0; row < M; row += logitsRows) {
      const rows = Math.min(logitsRows, M - row);
      each({ values: this.logitsOf(row, rows), pointer: logits, firstRow: begin + row, rows });
    }
  }

  /** Logits changed by the caller are copied back to where kernels can read them; a view of them already is there. */
  private placeLogits(logits: Float32Array): Pointer {
    const { kernels, buffers } = this.parts;
    if (logits.buffer === kernels.memory.buffer) return logits.byteOffset as Pointer;
    kernels.f32(buffers.logits, logits.length).set(logits);
    return buffers.logits;
  }
}
