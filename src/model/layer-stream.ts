/**
 * Running a model one layer at a time over many samples, with only that layer's weights in memory.
 * Calibration works this way, so that a model need not fit in memory to be quantized.
 *
 *   const { stream } = await LayerStream.open(checkpoint, work, { rows: 512 });
 *   hidden = samples.map((ids) => stream.embed(ids))
 *   for each layer l:  await stream.loadLayer(l);  for each sample:  stream.run(hidden[sample], observe)
 */
import { describeModel, type Description, embeddingChannels, type InputName } from "../architecture/description.ts";
import { longestContext } from "../architecture/rope-scaling.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { NumericError, OptionError } from "../errors.ts";
import type { Work } from "../host/work.ts";
import type { Kernels } from "../kernels/kernels.ts";
import type { Pointer } from "../kernels/pointer.ts";
import { enterRows, wholeSequence } from "./batch.ts";
import { backwardBlock, forwardForGradients } from "./block-gradient.ts";
import {
  type BlockSpec,
  forwardBlock,
  largestRank,
  loadBlock,
  type LoadedBlock,
  type Observe,
  planBlock,
  planBlockCache,
  readBlockSpec,
} from "./block.ts";
import type { GradientBuffers } from "./gradient-buffers.ts";
import type { DifferentiableBlock } from "./gradients.ts";
import { BLOCK_TOKENS } from "./layers/attention.ts";
import { project } from "./layers/embedding.ts";
import type { Linear } from "./layers/linear.ts";
import { readLinearSpec } from "./layers/linear-spec.ts";
import { planLinear } from "./layers/plan-linear.ts";
import { loadNorm, type LoadedNorm, planNorm, applyNorm } from "./layers/norm.ts";
import { turnResidual, turnsResidual } from "./layers/online-transforms.ts";
import { loadWorkspace, openWorkspace, packRows } from "./workspace/open-workspace.ts";
import type { WeightLoader } from "./weights/weight-loader.ts";
import type { Planner, Workspace } from "./workspace/workspace.ts";

export interface LayerStreamOptions {
  /** Most tokens in a sample. */
  readonly rows: number;
  /** Least scratch of each thread, for kernels of the caller's. */
  readonly threadScratch?: number | undefined;
}

export class LayerStream {
  readonly description: Description;
  readonly #checkpoint: Checkpoint;
  readonly #work: Work;
  readonly #specs: readonly BlockSpec[];
  readonly #space: Workspace;
  readonly #kinds: ReadonlyMap<BlockKind, LoadedBlock>;
  readonly #embeddingNorm: LoadedNorm | undefined;
  readonly #projection: Linear | undefined;
  readonly #embedded = new Map<number, Float32Array>();
  #layer = -1;

  private constructor(checkpoint: Checkpoint, work: Work, specs: readonly BlockSpec[], space: Workspace, placed: Placed) {
    this.description = space.description;
    this.#checkpoint = checkpoint;
    this.#work = work;
    this.#specs = specs;
    this.#space = space;
    this.#kinds = placed.kinds;
    this.#embeddingNorm = placed.embeddingNorm;
    this.#projection = placed.projection;
  }

  /**
   * @param place plans regions of the caller's in the same memory
   * @throws CheckpointError, UnsupportedModelError, OptionError, CapabilityError
   */
  static async open<Own>(
    checkpoint: Checkpoint,
    work: Work,
    { rows, threadScratch = 0 }: LayerStreamOptions,
    place: (planner: Planner, block: LoadedBlock) => Own,
  ): Promise<{ stream: LayerStream; own: Own }> {
    const most = longestContext(checkpoint.config);
    if (!Number.isInteger(rows) || rows < 1 || rows > most) {
      throw new OptionError(`sample length: got ${rows}, need an integer from 1 to the model's context of ${most}`);
    }
    const description = describeModel(checkpoint.config);
    const specs: BlockSpec[] = [];
    for (const block of description.blocks) specs.push(await readBlockSpec(checkpoint, block));
    const projectIn = description.projectIn && (await readLinearSpec(checkpoint, [description.projectIn]));
    const firsts = specs.filter((spec, l) => specs.findIndex((other) => kindOf(other) === kindOf(spec)) === l);
    const rank = Math.max(...specs.map(largestRank));
    const size = { rows, positions: rows, rank, threadScratch, quantizes: true };
    const { space, placed } = await openWorkspace(work, description, size, (planner) => {
      const plan = ({ block }: BlockSpec) =>
        planBlockCache(planner, block, Math.ceil(rows / BLOCK_TOKENS), { k: "f32", v: "f32" }, { k: 1, v: 1 });
      const { embeddingNorm } = description;
      // Layers of one kind have one shape, so the first one's memory serves them all in turn.
      const kinds = new Map(firsts.map((spec) => [kindOf(spec), planBlock(planner, spec, plan(spec))]));
      return {
        kinds,
        embeddingNorm: embeddingNorm && planNorm(planner, embeddingNorm, description.config.hiddenSize),
        projection: projectIn && planLinear(planner, projectIn),
        own: place(planner, kinds.get(kindOf(specs[0]!))!),
      };
    });
    const { embeddingNorm: norm, projection } = placed;
    const ask = (loader: WeightLoader) => {
      if (norm) loadNorm(loader, norm, description.config.hiddenSize);
      if (projection) loader.linear(projectIn!, projection);
    };
    await loadWorkspace(space, checkpoint, ask, work);
    return { stream: new LayerStream(checkpoint, work, specs, space, placed), own: placed.own };
  }

  get kernels(): Kernels {
    return this.#space.kernels;
  }

  /** @returns f32[S, E], the residual stream before the first layer */
  async embed(ids: ArrayLike<number>): Promise<Float32Array> {
    const { embedding, positions, config } = this.description;
    const W = embeddingChannels(config);
    const scale = Math.fround(config.embeddingScale);
    let hidden = new Float32Array(ids.length * W);
    for (let s = 0; s < ids.length; s++) {
      const id = ids[s]!;
      let row = this.#embedded.get(id);
      if (!row) {
        row = await this.#checkpoint.readF32(`${embedding.name}.weight`, { rows: [id, id + 1], signal: this.#work.signal });
        // The product rounded to float32, as the kernel has it.
        if (scale !== 1) row = row.map((value) => value * scale);
        this.#embedded.set(id, row);
      }
      hidden.set(row, s * W);
    }
    if (this.#projection) hidden = this.#project(this.#projection, hidden, ids.length);
    if (positions !== undefined) {
      const { positionOffset: first } = config;
      const rows = await this.#checkpoint.readF32(positions, { rows: [first, first + ids.length], signal: this.#work.signal });
      for (let i = 0; i < hidden.length; i++) hidden[i]! += rows[i]!;
    }
    if (this.#embeddingNorm || turnsResidual(this.#space)) {
      const { hidden: rows } = this.#space.buffers;
      const inMemory = this.kernels.f32(rows, hidden.length);
      inMemory.set(hidden);
      if (this.#embeddingNorm) applyNorm(this.#space, this.#embeddingNorm, rows, rows, ids.length);
      turnResidual(this.#space, rows, rows, ids.length);
      hidden.set(inMemory);
    }
    return hidden;
  }

  /** Gives f32[M, E] of f32[M, W]. */
  #project(projection: Linear, embedded: Float32Array, M: number): Float32Array<ArrayBuffer> {
    const { buffers } = this.#space;
    this.kernels.f32(buffers.embedded, embedded.length).set(embedded);
    project(this.#space, projection, M);
    return this.kernels.f32(buffers.hidden, M * this.description.config.hiddenSize).slice();
  }

  /** Replaces the weights in memory by those of layer `l`. */
  async loadLayer(l: number): Promise<void> {
    const { config } = this.description;
    await loadWorkspace(
      this.#space,
      this.#checkpoint,
      (loader) => loadBlock(loader, config, this.#specs[l]!, this.#memoryOf(l)),
      this.#work,
    );
    this.#layer = l;
    this.#embedded.clear(); // every sample was embedded before the first layer
  }

  /**
   * Runs the loaded layer over one sample from position 0.
   * @param hidden f32[S, E], replaced by the layer's output
   * @throws NumericError if the output has NaN or infinity
   */
  run(hidden: Float32Array, observe?: Observe): void {
    const inMemory = this.#forward(hidden, observe);
    if (this.kernels.run.first_nonfinite_f32(this.#space.buffers.hidden, hidden.length) >= 0) {
      const { name } = this.description.blocks[this.#layer]!;
      throw new NumericError(`${this.#checkpoint.name}: ${name}: output has NaN or infinity during calibration`);
    }
    hidden.set(inMemory);
  }

  /**
   * Runs it as far as the linear at `input`, which `observe` sees among those before. `hidden` stays as it
   * is.
   */
  runUntil(input: InputName, hidden: Float32Array, observe: Observe): void {
    this.#forward(hidden, (site, ...seen) => {
      observe(site, ...seen);
      return site === input ? "stop" : undefined;
    });
  }

  /** Where the weights of layer `l` go. */
  #memoryOf(l: number): LoadedBlock {
    return this.#kinds.get(kindOf(this.#specs[l]!))!;
  }

  #forward(hidden: Float32Array, observe: Observe | undefined): Float32Array {
    const { buffers } = this.#space;
    const inMemory = this.kernels.f32(buffers.hidden, hidden.length);
    inMemory.set(hidden);
    const batch = wholeSequence(hidden.length / this.description.config.hiddenSize);
    enterRows(this.#space, batch);
    forwardBlock(this.#space, { ...this.#memoryOf(this.#layer), block: this.description.blocks[this.#layer]! }, batch, observe);
    return inMemory;
  }

  /**
   * Runs the loaded layer over one sample from position 0 and back.
   *
   * @param differentiable the block that `open` has planned, as one with a gradient
   * @param input where the sample's f32[S, E] may be put
   * @param toGradient makes the gradient of the output f32[S, E] of the output itself, in place
   */
  differentiate(
    differentiable: DifferentiableBlock,
    hidden: Float32Array,
    input: Pointer,
    gradients: GradientBuffers,
    toGradient: (output: Float32Array) => void,
  ): void {
    const { kernels, buffers } = this.#space;
    const block = { ...differentiable, block: this.description.blocks[this.#layer]! };
    const batch = wholeSequence(hidden.length / this.description.config.hiddenSize);
    enterRows(this.#space, batch);
    kernels.f32(input, hidden.length).set(hidden);
    forwardForGradients(this.#space, block, batch, input, gradients);
    const output = kernels.f32(gradients.hidden, hidden.length);
    output.set(kernels.f32(buffers.hidden, hidden.length));
    toGradient(output);
    backwardBlock(this.#space, block, batch.rows, input, gradients);
  }

  /** Packed weights of the loaded layer's fused linear at an input, f32w panels of [N, K]. */
  weights(input: InputName): Pointer {
    return this.#memoryOf(this.#layer).inputs[input]!.linear.products[0].weights;
  }

  /** The space the layer runs in, for what fills tables of its own. */
  get space(): Workspace {
    return this.#space;
  }

  /**
   * Replaces rows of the loaded layer's fused linear at `input`, first row `row`, by `weight` f32[rows, K],
   * until the next `loadLayer`.
   */
  replaceRows(input: InputName, row: number, weight: Float32Array): void {
    packRows(this.#space, this.#memoryOf(this.#layer).inputs[input]!.linear.products[0], row, weight);
  }

  async dispose(): Promise<void> {
    await this.#space.kernels.dispose();
  }
}

type BlockKind = "attention" | "convolution";

function kindOf({ block }: BlockSpec): BlockKind {
  return block.convolution ? "convolution" : "attention";
}

interface Placed {
  readonly kinds: ReadonlyMap<BlockKind, LoadedBlock>;
  readonly embeddingNorm: LoadedNorm | undefined;
  readonly projection: Linear | undefined;
}
