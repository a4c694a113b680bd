/**
 * A quantized model in memory with room to differentiate it, and the numbers of it that are tuned: norms and
 * weight scales.
 */
import { describeModel, mapInputs } from "../architecture/description.ts";
import type { ModelConfig } from "../architecture/model-config.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { NumericError, UnsupportedModelError } from "../errors.ts";
import type { Work } from "../host/work.ts";
import type { Pointer } from "../kernels/pointer.ts";
import type { Kernels } from "../kernels/kernels.ts";
import { enterRows, wholeSequence } from "../model/batch.ts";
import { backwardBlock } from "../model/block-gradient.ts";
import { type BlockSpec, forwardBlock, loadBlock, type LoadedBlock, planBlock, readBlockSpec } from "../model/block.ts";
import type { GradientBuffers } from "../model/gradient-buffers.ts";
import { fillGradientTables, type GroupedBlock, planGradients } from "../model/gradients.ts";
import { BLOCK_TOKENS, type CacheScales, planCache, readCacheScales } from "../model/layers/attention.ts";
import { embed, type LoadedEmbedding, loadEmbedding, planEmbedding } from "../model/layers/embedding.ts";
import { type LoadedHead, loadHead, planHead, readHeadSpec } from "../model/layers/head.ts";
import { groupedLinear } from "../model/layers/linear-gradient.ts";
import { readLinearSpec } from "../model/layers/linear-spec.ts";
import { loadNorm, planNorm } from "../model/layers/norm.ts";
import { planLinear } from "../model/layers/plan-linear.ts";
import { loadWorkspace, openWorkspace } from "../model/open-workspace.ts";
import type { Workspace } from "../model/workspace.ts";
import { backwardHead, type LossBuffers, planLoss } from "./head-gradient.ts";

interface Placed {
  readonly embedding: LoadedEmbedding;
  readonly blocks: readonly GroupedBlock[];
  readonly student: LoadedHead;
  readonly teacher: LoadedHead;
  readonly gradients: GradientBuffers;
  readonly loss: LossBuffers;
  /** f32[L, rows, E], what each layer was given. */
  readonly inputs: readonly Pointer[];
  readonly teacherHidden: Pointer; // f32[rows, E]
}

export class Student {
  readonly #space: Workspace;
  readonly #placed: Placed;

  private constructor(space: Workspace, placed: Placed) {
    this.#space = space;
    this.#placed = placed;
  }

  /**
   * @param checkpoint quantized: 4-bit weights, int8 activations
   * @param teacher the float model it was made of, whose head is needed
   * @param rows tokens of the longest sample
   * @throws UnsupportedModelError for what is not differentiated; CheckpointError, OptionError,
   *   CapabilityError, AbortError
   */
  static async load(checkpoint: Checkpoint, teacher: Checkpoint, rows: number, work: Work): Promise<Student> {
    const { config } = checkpoint;
    const { hiddenSize: E } = config;
    checkDifferentiable(checkpoint.name, config);
    const description = describeModel(config);
    const half = checkpoint.quantization?.kvCache ?? "f32";
    const precision = { k: half, v: half } as const;
    const specs: BlockSpec[] = [];
    const scales: CacheScales[] = [];
    for (const block of description.blocks) {
      specs.push(await readBlockSpec(checkpoint, block));
      scales.push(await readCacheScales(checkpoint, block, precision));
    }
    const headSpec = await readHeadSpec(checkpoint, undefined);
    const teacherSpec = await readLinearSpec(teacher, [description.head!]);

    const size = { rows, positions: rows, threadScratch: 8 * (rows + 4), quantizes: true };
    const { space, placed } = await openWorkspace(work, description, size, (planner) => {
      const { plan } = planner;
      // Layers run one after another, each from position 0, so one layer's memory serves all of their caches.
      const cache = planCache(planner, Math.ceil(rows / BLOCK_TOKENS), precision, { k: 1, v: 1 });
      const blocks = specs.map((spec, l) => grouped(planBlock(planner, spec, { ...cache, scales: scales[l]! })));
      const { table, head } = planHead(planner, headSpec);
      const teacherLinear = planLinear(planner, teacherSpec);
      const stream = (what: string) => plan.reserve("scratch", 4 * rows * E, what);
      return {
        embedding: planEmbedding(planner, table, rows),
        blocks,
        student: head,
        teacher: { norm: planNorm(planner, description.finalNorm, E), linear: teacherLinear },
        gradients: planGradients(planner, rows, blocks[0]!),
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
        loadHead(loader, description, headSpec, embedding.table, student);
        loadEmbedding(loader, space, embedding);
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
    transposeHead(space, teacherHead.linear.products[0].weights, loss.transposedHead);
    return new Student(space, placed);
  }

  get kernels(): Kernels {
    return this.#space.kernels;
  }

  get blocks(): readonly GroupedBlock[] {
    return this.#placed.blocks;
  }

  /** The final norm's weight, f32[E]. */
  get finalNorm(): Pointer {
    return this.#placed.student.norm.weight;
  }

  get gradients(): GradientBuffers {
    return this.#placed.gradients;
  }

  /** Runs one sample through embedding and blocks. */
  forward(ids: Int32Array): void {
    const { kernels, config, buffers } = this.#space;
    const { embedding, blocks, inputs } = this.#placed;
    const elements = ids.length * config.hiddenSize;
    const batch = wholeSequence(this.#space, ids.length, ids);
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
  backwardHead(teacherHidden: Float32Array): number {
    const { kernels, config } = this.#space;
    const { teacher, student, gradients, loss, teacherHidden: region } = this.#placed;
    kernels.f32(region, teacherHidden.length).set(teacherHidden);
    const M = teacherHidden.length / config.hiddenSize;
    return backwardHead(this.#space, { teacher, student, teacherHidden: region }, M, gradients, loss);
  }

  /**
   * From the output of layer `l` to its input; `gradients.norms` and `gradients.scales` are then this
   * layer's.
   */
  backwardLayer(l: number, M: number): void {
    const { blocks, inputs, gradients } = this.#placed;
    backwardBlock(this.#space, blocks[l]!, wholeSequence(this.#space, M), inputs[l]!, gradients);
  }

  async dispose(): Promise<void> {
    await this.#space.kernels.dispose();
  }
}

/** @throws UnsupportedModelError for models whose gradient is not written here */
export function checkDifferentiable(name: string, config: ModelConfig): void {
  const { hiddenSize: E, headDim: D, ffnSize: F } = config;
  if (config.norm !== "rms" || !config.gatedMlp || config.parallelResidual || config.positions !== "rope") {
    throw new UnsupportedModelError(`${name}: got ${config.architecture}, need an architecture of RMSNorm and SwiGLU to distil`);
  }
  if (config.headless) throw new UnsupportedModelError(`${name}: got a model without a head, need one with logits to distil`);
  const { blocks } = describeModel(config);
  const isPlain =
    config.rotaryPairs === "halves" &&
    blocks.every(({ rope, inputs }) => rope === 0 && inputs.every(({ from, outputNorm }) => from !== "stream" && !outputNorm)) &&
    blocks.every(({ inputs }) => inputs.every((input) => input.name !== "up" || input.modules.length === 2));
  if (!isPlain) throw new UnsupportedModelError(`${name}: distillation does not differentiate blocks of ${config.architecture}`);
  if (config.qkNorm !== "none")
    throw new UnsupportedModelError(`${name}: distillation does not differentiate norms of queries and keys`);
  if (D % 8 !== 0) throw new UnsupportedModelError(`${name}: heads of ${D} elements, distillation needs a multiple of 8`);
  if (E % 8 !== 0 || F % 8 !== 0) {
    throw new UnsupportedModelError(`${name}: hidden size ${E} and MLP size ${F}, distillation needs multiples of 8`);
  }
}

/** @throws UnsupportedModelError for a layer without 4-bit weights in groups, or with low-rank terms */
function grouped(loaded: LoadedBlock): GroupedBlock {
  const inputs = mapInputs(loaded.block, ({ name }) => {
    const input = loaded.inputs[name]!;
    const linear = groupedLinear(input.linear);
    if (typeof linear !== "string") return { ...input, linear };
    throw new UnsupportedModelError(`${loaded.block.name}: got ${linear}, distillation needs 4-bit weights and int8 activations`);
  });
  return { ...loaded, inputs };
}

/** f32w panels of [V, E] -> of [E, V]. */
function transposeHead({ kernels, config }: Workspace, from: Pointer, to: Pointer): void {
  const { vocabSize: V, hiddenSize: E } = config;
  const [source, target] = [kernels.f32(from, Math.ceil(V / 8) * 8 * E), kernels.f32(to, Math.ceil(E / 8) * 8 * V)];
  for (let v = 0; v < V; v++) {
    const row = Math.floor(v / 8) * 8 * E + (v % 8);
    for (let e = 0; e < E; e++) target[(Math.floor(e / 8) * V + v) * 8 + (e % 8)] = source[row + 8 * e]!;
  }
}
