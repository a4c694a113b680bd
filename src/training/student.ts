/** A quantized model in memory with room to differentiate it. */
import { describeModel } from "../architecture/description.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { NumericError } from "../errors.ts";
import type { Work } from "../host/work.ts";
import type { Pointer } from "../kernels/pointer.ts";
import type { Kernels } from "../kernels/kernels.ts";
import { enterRows, wholeSequence } from "../model/batch.ts";
import { backwardBlock, forwardForGradients } from "../model/block-gradient.ts";
import { type BlockSpec, forwardBlock, largestRank, loadBlock, planBlock, readBlockSpec } from "../model/block.ts";
import type { GradientBuffers, GradientKind } from "../model/gradient-buffers.ts";
import { type DifferentiableBlock, fillGradientTables, planGradients } from "../model/gradients.ts";
import { BLOCK_TOKENS, planCache, readCacheScales } from "../model/layers/attention.ts";
import { embed, type LoadedEmbedding, loadEmbedding, planEmbedding } from "../model/layers/embedding.ts";
import { type LoadedHead, loadHead, planHead, readHeadSpec } from "../model/layers/head.ts";
import { readLinearSpec } from "../model/layers/linear-spec.ts";
import { loadNorm, planNorm } from "../model/layers/norm.ts";
import { planLinear } from "../model/layers/plan-linear.ts";
import { loadWorkspace, openWorkspace } from "../model/workspace/open-workspace.ts";
import type { Workspace } from "../model/workspace/workspace.ts";
import { checkDistillable, differentiable } from "./differentiable.ts";
import { backwardHead, headLoss, type HeadTask, type LossBuffers, planLoss } from "./head-gradient.ts";
import type { LossKind } from "./loss.ts";

interface Placed {
  readonly embedding: LoadedEmbedding;
  readonly blocks: readonly DifferentiableBlock[];
  readonly student: LoadedHead;
  readonly teacher: LoadedHead;
  readonly gradients: GradientBuffers;
  readonly loss: LossBuffers;
  /** f32[L, rows, E], what each layer was given. */
  readonly inputs: readonly Pointer[];
  readonly teacherHidden: Pointer; // f32[rows, E]
}

export interface StudentOptions {
  /** Tokens of the longest sample. */
  readonly rows: number;
  /** What gradients are wanted of beside the norms. */
  readonly wanted: ReadonlySet<GradientKind>;
}

export class Student {
  /** Scales of the static int8 cache, by layer; what is set here the next pass computes with. */
  readonly cacheScales: readonly { k: number; v: number }[];
  readonly #space: Workspace;
  readonly #placed: Placed;
  #rows = 0;

  private constructor(space: Workspace, placed: Placed, cacheScales: readonly { k: number; v: number }[]) {
    this.#space = space;
    this.#placed = placed;
    this.cacheScales = cacheScales;
  }

  /**
   * @param checkpoint quantized: 4-bit or 8-bit weights with int8 activations, or linears left in float
   * @param teacher the float model it was made of, whose head is needed
   * @throws UnsupportedModelError for what is not differentiated; CheckpointError, OptionError,
   *   CapabilityError, AbortError
   */
  static async load(checkpoint: Checkpoint, teacher: Checkpoint, options: StudentOptions, work: Work): Promise<Student> {
    const { rows, wanted } = options;
    const { config } = checkpoint;
    const { hiddenSize: E } = config;
    checkDistillable(checkpoint.name, config);
    const description = describeModel(config);
    const half = checkpoint.quantization?.kvCache ?? "f32";
    const precision = { k: half, v: half } as const;
    const specs: BlockSpec[] = [];
    const scales: { k: number; v: number }[] = [];
    for (const block of description.blocks) {
      specs.push(await readBlockSpec(checkpoint, block));
      scales.push({ ...(await readCacheScales(checkpoint, block, precision)) });
    }
    const headSpec = await readHeadSpec(checkpoint, undefined);
    const teacherSpec = await readLinearSpec(teacher, [description.head!]);

    const rank = Math.max(...specs.map(largestRank));
    const size = { rows, positions: rows, rank, threadScratch: 8 * (rows + 4), quantizes: true };
    const { space, placed } = await openWorkspace(work, description, size, (planner) => {
      const { plan } = planner;
      // Layers run one after another, each from position 0, so one layer's memory serves all of their caches.
      const cache = planCache(planner, Math.ceil(rows / BLOCK_TOKENS), precision, { k: 1, v: 1 });
      const blocks = specs.map((spec, l) => differentiable(planBlock(planner, spec, { ...cache, scales: scales[l]! })));
      const embedding = planEmbedding(planner, headSpec, rows);
      const student = planHead(planner, headSpec, embedding.table);
      const teacherLinear = planLinear(planner, teacherSpec);
      const stream = (what: string) => plan.reserve("scratch", 4 * rows * E, what);
      return {
        embedding,
        blocks,
        student,
        teacher: { norm: planNorm(planner, description.finalNorm!, E), projection: undefined, linear: teacherLinear },
        gradients: planGradients(planner, rows, blocks, wanted),
        loss: planLoss(planner),
        inputs: blocks.map((_, l) => stream(`input of layer ${l}`)),
        teacherHidden: stream("hidden states of the float model"),
      };
    });
    const { embedding, blocks, student, teacher: teacherHead, gradients, loss } = placed;
    await loadWorkspace(
      space,
      checkpoint,
      (loader) => {
        loadEmbedding(loader, space, headSpec, embedding);
        loadHead(loader, description, headSpec, student);
        for (const [l, spec] of specs.entries()) loadBlock(loader, config, spec, blocks[l]!);
      },
      work,
    );
    await loadWorkspace(
      space,
      teacher,
      (loader) => {
        loader.linear(teacherSpec, teacherHead.linear!);
        loadNorm(loader, teacherHead.norm, E);
      },
      work,
    );
    fillGradientTables(space, gradients, rows);
    const { vocabSize: V } = config;
    const teacherLinear = teacherHead.linear.products[0].weights;
    space.kernels.split("transpose_f32w_f32w", Math.ceil(V / 8), teacherLinear, loss.transposedHead, V, E);
    return new Student(space, placed, scales);
  }

  get kernels(): Kernels {
    return this.#space.kernels;
  }

  get blocks(): readonly DifferentiableBlock[] {
    return this.#placed.blocks;
  }

  /** Tokens of the sample that went through last. */
  get rows(): number {
    return this.#rows;
  }

  /** Tokens of the longest sample. */
  get maxRows(): number {
    return this.#space.buffers.maxRows;
  }

  get hasStaticCache(): boolean {
    return this.blocks[0]!.cache.precision.k === "q8";
  }

  /** The final norm's weight, f32[E]. */
  get finalNorm(): Pointer {
    return this.#placed.student.norm!.weight;
  }

  get gradients(): GradientBuffers {
    return this.#placed.gradients;
  }

  /** Runs one sample through embedding and blocks. */
  forward(ids: Int32Array): void {
    const { kernels, config, buffers } = this.#space;
    const { embedding, blocks, inputs } = this.#placed;
    const elements = ids.length * config.hiddenSize;
    this.#rows = ids.length;
    const batch = wholeSequence(ids.length, ids);
    enterRows(this.#space, batch);
    embed(this.#space, embedding, batch);
    for (const [l, block] of blocks.entries()) {
      kernels.f32(inputs[l]!, elements).set(kernels.f32(buffers.hidden, elements));
      forwardBlock(this.#space, block, batch);
    }
    if (kernels.run.first_nonfinite_f32(buffers.hidden, elements) >= 0) {
      throw new NumericError("distillation: output of the last layer has NaN or infinity; a smaller rate may help");
    }
  }

  /**
   * After `forward` of the same sample: the loss, and its gradients at the last block's output and the final
   * norm.
   * @param teacherHidden f32[M, E]
   * @returns nats
   */
  backwardHead(teacherHidden: Float32Array, loss: LossKind): number {
    return backwardHead(this.#space, this.#headTask(teacherHidden, loss), this.gradients, this.#placed.loss);
  }

  /** After `forward` of the same sample: the loss alone. */
  lossOf(teacherHidden: Float32Array, loss: LossKind): number {
    return headLoss(this.#space, this.#headTask(teacherHidden, loss), this.#placed.loss);
  }

  #headTask(hidden: Float32Array, loss: LossKind): HeadTask {
    const { teacher, student, teacherHidden } = this.#placed;
    this.kernels.f32(teacherHidden, hidden.length).set(hidden);
    return { heads: { teacher, student, teacherHidden }, M: hidden.length / this.#space.config.hiddenSize, loss };
  }

  /**
   * From the output of layer `l` to its input; `gradients.norms`, `gradients.linears` and `gradients.cache`
   * are then this layer's.
   */
  backwardLayer(l: number, M: number): void {
    const { blocks, inputs, gradients } = this.#placed;
    forwardForGradients(this.#space, blocks[l]!, wholeSequence(M), inputs[l]!, gradients);
    backwardBlock(this.#space, blocks[l]!, M, inputs[l]!, gradients);
  }

  async dispose(): Promise<void> {
    await this.#space.kernels.dispose();
  }
}
