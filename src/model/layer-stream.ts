/**
 * Running a model one layer at a time over many samples, with only that layer's weights in memory. Calibration works this way, so
 * that a model need not fit in memory to be quantized.
 *
 *   const stream = await LayerStream.open(checkpoint, runtime, { rows: 512 });
 *   hidden = samples.map((ids) => stream.embed(ids))
 *   for each layer l:  await stream.loadLayer(l);  for each sample:  stream.run(hidden[sample], observe)
 */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { ModelConfig } from "../architecture/model-config.ts";
import { EMBEDDING, type LinearInput } from "../architecture/tensor-names.ts";
import { NumericError, OptionError } from "../errors.ts";
import type { InstructionSet } from "../kernels/kernel-build.ts";
import type { Pointer } from "../kernels/kernel-exports.ts";
import type { Kernels } from "../kernels/kernels.ts";
import type { Host } from "../host/host.ts";
import { forwardBlock, type Observe } from "./block.ts";
import { type LayerCache, planLayerCache } from "./kv-cache.ts";
import { largestRank, type LayerSpec, loadLayer, planLayer, readLayerSpec } from "./layer-loader.ts";
import { resolveBuild, resolveThreads } from "./load-options.ts";
import { beginMemoryPlan, openKernels, withQuantizer } from "./model-memory.ts";
import { fillRopeTable, planRopeTable, type RopeTable } from "./rope.ts";
import { planRunState, type RunState } from "./run-state.ts";
import { planStaging, type Staging, WeightLoader } from "./weight-loader.ts";
import type { LayerWeights } from "./weights.ts";

export interface LayerStreamOptions {
  /** Most tokens in a sample. */
  readonly rows: number;
  readonly threads?: number | undefined;
  readonly build?: InstructionSet | "auto" | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
  /** Bytes of linear memory to set aside for the caller, at `stream.workspace`. */
  readonly workspaceBytes?: number | undefined;
  /** Least scratch of each thread, for kernels of the caller's. */
  readonly threadScratchBytes?: number | undefined;
}

interface Parts {
  readonly checkpoint: Checkpoint;
  readonly specs: readonly LayerSpec[];
  readonly kernels: Kernels;
  readonly weights: LayerWeights;
  readonly cache: LayerCache;
  readonly rope: RopeTable;
  readonly state: RunState;
  readonly staging: Staging;
  readonly workspace: Pointer;
  readonly signal: AbortSignal | undefined;
}

export class LayerStream {
  private readonly parts: Parts;
  private layer = -1;
  private readonly embedded = new Map<number, Float32Array>();

  private constructor(parts: Parts) {
    this.parts = parts;
  }

  /** @throws CheckpointError, UnsupportedModelError, OptionError, CapabilityError */
  static async open(checkpoint: Checkpoint, host: Host, options: LayerStreamOptions): Promise<LayerStream> {
    const { config } = checkpoint;
    const { rows, signal } = options;
    const build = resolveBuild(options.build);
    if (!Number.isInteger(rows) || rows < 1 || rows > config.contextLength) {
      throw new OptionError(
        `sample length: got ${rows}, need an integer from 1 to the model's context of ${config.contextLength}`,
      );
    }
    const specs: LayerSpec[] = [];
    for (let l = 0; l < config.layers; l++) specs.push(await readLayerSpec(checkpoint, l));
    const threads = resolveThreads(options, host);
    const planning = await withQuantizer(
      host,
      await beginMemoryPlan(host, config, threads, rows, rows, build, options.threadScratchBytes),
    );
    const { plan, sizes } = planning;
    const { hiddenSize: E, heads: H, headDim: D, ffnSize: F } = config;
    // Layers of one model have one shape, so the first one's memory serves them all in turn.
    const weights = planLayer(plan, sizes, config, specs[0]!);
    const cache = planLayerCache(plan, sizes, config, rows, { k: "f32", v: "f32" }, { k: 1, v: 1 });
    const rope = planRopeTable(plan, config, rows);
    const staging = planStaging(plan, Math.max(E, H * D, F));
    const state = planRunState(plan, config, rows, Math.max(...specs.map(largestRank)));
    const workspace = plan.reserve("scratch", options.workspaceBytes ?? 0, "workspace");
    const kernels = openKernels(host, planning);
    fillRopeTable(kernels, config, rope);
    await kernels.threadsStarted();
    return new LayerStream({ checkpoint, specs, kernels, weights, cache, rope, state, staging, workspace, signal });
  }

  get config(): ModelConfig {
    return this.parts.checkpoint.config;
  }

  get kernels(): Kernels {
    return this.parts.kernels;
  }

  /** Address of the bytes set aside for the caller. */
  get workspace(): Pointer {
    return this.parts.workspace;
  }

  /** @returns f32[S, E], the residual stream before the first layer */
  async embed(ids: ArrayLike<number>): Promise<Float32Array> {
    const { checkpoint, signal } = this.parts;
    const { hiddenSize: E } = checkpoint.config;
    const hidden = new Float32Array(ids.length * E);
    for (let s = 0; s < ids.length; s++) {
      const id = ids[s]!;
      let row = this.embedded.get(id);
      if (!row) {
        row = await checkpoint.readF32(`${EMBEDDING}.weight`, { rows: [id, id + 1], signal });
        this.embedded.set(id, row);
      }
      hidden.set(row, s * E);
    }
    return hidden;
  }

  /** Replaces the weights in memory by those of layer `l`. */
  async loadLayer(l: number): Promise<void> {
    const { checkpoint, specs, kernels, weights, staging, signal } = this.parts;
    const loader = new WeightLoader(kernels, checkpoint, staging, signal, () => {});
    loadLayer(loader, checkpoint.config, specs[l]!, weights);
    await loader.run();
    this.layer = l;
    this.embedded.clear(); // every sample was embedded before the first layer
  }

  /**
   * Runs the loaded layer over one sample from position 0.
   * @param hidden f32[S, E], replaced by the layer's output
   * @throws NumericError if the output has NaN or infinity
   */
  run(hidden: Float32Array, observe?: Observe): void {
    const inMemory = this.forward(hidden, observe);
    const { checkpoint, kernels, state } = this.parts;
    if (kernels.run.first_nonfinite_f32(state.hidden, hidden.length) >= 0) {
      throw new NumericError(`${checkpoint.name}: model.layers.${this.layer}: output has NaN or infinity during calibration`);
    }
    hidden.set(inMemory);
  }

  /** Runs it as far as the linear at `input`, which `observe` sees among those before. `hidden` stays as it is. */
  runUntil(input: LinearInput, hidden: Float32Array, observe: Observe): void {
    this.forward(hidden, (site, ...seen) => {
      observe(site, ...seen);
      return site === input ? "stop" : undefined;
    });
  }

  private forward(hidden: Float32Array, observe: Observe | undefined): Float32Array {
    const { checkpoint, kernels, weights, cache, rope, state } = this.parts;
    const { config } = checkpoint;
    const M = hidden.length / config.hiddenSize;
    const inMemory = kernels.f32(state.hidden, hidden.length);
    inMemory.set(hidden);
    forwardBlock(kernels, config, weights, cache, rope, state, M, 0, config.attentionWindows[this.layer]!, observe);
    return inMemory;
  }

  /**
   * Replaces rows of the loaded layer's fused linear at `input`, first row `row`, by `weight` f32[rows, K], until the next `loadLayer`.
   */
  replaceRows(input: LinearInput, row: number, weight: Float32Array): void {
    const { kernels, weights, staging } = this.parts;
    const linear = { qkv: weights.qkv, o: weights.o, gate_up: weights.gateUp, down: weights.down }[input];
    const { N, K } = linear;
    const block = 8 * K;
    for (let begin = 0; begin < weight.length; begin += block) {
      const rows = weight.subarray(begin, begin + block);
      kernels.f32(staging.source, rows.length).set(rows);
      kernels.run.pack_f32w(staging.source, linear.weights, row + begin / K, rows.length / K, N, K);
    }
  }

  async dispose(): Promise<void> {
    await this.parts.kernels.dispose();
  }
}
