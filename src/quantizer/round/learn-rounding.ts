/**
 * Rounding learned block by block (AutoRound: Cheng et al. 2023, arXiv 2309.05516): the linear layers of a
 * block are rounded together, so that its output is as near as can be to the float block's on the same
 * inputs.
 *
 * minimize  mean square of rounded block(x) - float block(x)       by steps against the signs of its gradient
 *
 * It begins where a search of scales ends (`scale-search.ts`), and keeps the best it has come by: on the
 * samples that are looked at no block is worse than that. Inputs are the float model's; activations stay in
 * float. The paper's batch is eight sequences, here it is one, each in its turn.
 */
import { type Block, type ByInput, describeModel, type InputName, widestInput } from "../../architecture/description.ts";
import type { Checkpoint } from "../../checkpoint/checkpoint.ts";
import { throwIfAborted } from "../../errors.ts";
import type { Work } from "../../host/work.ts";
import type { Pointer } from "../../kernels/pointer.ts";
import { blockWork } from "../../model/block.ts";
import { EventLoopPacer } from "../../model/event-loop-pacer.ts";
import type { GradientBuffers } from "../../model/gradient-buffers.ts";
import { type DifferentiableBlock, fillGradientTables, planGradients } from "../../model/gradients.ts";
import { LayerStream } from "../../model/layer-stream.ts";
import { checkDifferentiable, differentiable } from "../../training/differentiable.ts";
import type { ActivationStats } from "../calibrate/activation-stats.ts";
import type { InputPlan } from "../decide/quantization-plan.ts";
import { chooseGroupSizes } from "../recipe/group-size.ts";
import { type Recipe, storedType } from "../recipe/recipe.ts";
import type { LearnedMethod } from "../recipe/rounding-method.ts";
import { equalizedMoment } from "../transform/equalize.ts";
import type { ModuleErrors } from "./error-stats.ts";
import { LearnedLinear, type LearnedRegions, type LearningMemory, placeLearned } from "./learned-linear.ts";
import { type StoredModule, storedModule } from "./module-rows.ts";
import { checkFinite, type RowFormat } from "./quantize-weights.ts";
import { placeRounding } from "./rounding-memory.ts";

/** Steps between looks at the block's error, and samples that are looked at. */
const STEPS_BETWEEN = 25;
const SAMPLES_LOOKED_AT = 8;

export interface LearningTask {
  /** The float model as it will be rounded: folded and equalized. */
  readonly checkpoint: Checkpoint;
  readonly samples: readonly Int32Array[];
  readonly recipe: Recipe;
  readonly stats: ActivationStats;
  /** In the order data flows. */
  readonly inputs: readonly InputPlan[];
}

/** Errors of a block's output, over what the block adds to the residual stream: mean squares. */
export interface BlockErrors {
  readonly name: string;
  readonly nearest: number;
  readonly searched: number;
  readonly learned: number;
}

export interface LearnedLayers {
  /** By module name, as are `errors`. */
  readonly modules: Map<string, StoredModule>;
  readonly errors: Map<string, ModuleErrors>;
  readonly blocks: BlockErrors[];
}

/**
 * @throws UnsupportedModelError for a model that is not differentiated; RecipeError naming the tensor that
 *   has NaN or infinity; NumericError naming the layer whose output has; CheckpointError, CapabilityError,
 *   AbortError
 */
export async function learnRounding(task: LearningTask, work: Work): Promise<LearnedLayers> {
  const { checkpoint, samples, recipe } = task;
  checkDifferentiable(checkpoint.name, checkpoint.config); // what a transform has added to the model, too
  const groupSizes = chooseGroupSizes(describeModel(checkpoint.config), recipe.groupSize);
  const rows = Math.max(...samples.map(({ length }) => length));
  const options = { rows, threadScratch: 8 * (rows + 4) };
  const { stream, own } = await LayerStream.open(checkpoint, work, options, (planner, block): Regions => {
    const { plan, config, description } = planner;
    const learned = differentiable(block);
    const linears = Object.values(learned.inputs).map(({ linear }) => linear.N * linear.K);
    return {
      block: learned,
      gradients: planGradients(planner, rows, [learned], new Set(["weights"])),
      input: plan.reserve("scratch", 4 * rows * config.hiddenSize, "input of a block"),
      rounding: placeRounding(plan, widestInput(description)),
      rounded: plan.reserve("scratch", 4 * Math.max(...linears), "rounded weights"),
      linears: new Map(block.block.inputs.map((input) => [input.name, placeLearned(planner, input, groupSizes[input.name]!)])),
    };
  });
  try {
    fillGradientTables(stream.space, own.gradients, rows);
    const learner = new BlockLearner(task, { stream, ...own }, groupSizes, work);
    let hidden: Float32Array[] = [];
    for (const sample of samples) hidden.push(await stream.embed(sample));
    for (const block of stream.description.blocks) hidden = await learner.learn(block, hidden);
    return learner.result;
  } finally {
    await stream.dispose();
  }
}

interface Regions extends Omit<LearningMemory, "stream"> {
  readonly block: DifferentiableBlock;
  readonly gradients: GradientBuffers;
  readonly input: Pointer;
  readonly linears: ReadonlyMap<InputName, LearnedRegions>;
}

type Memory = LearningMemory & Regions;

class BlockLearner {
  readonly result: LearnedLayers = { modules: new Map(), errors: new Map(), blocks: [] };
  readonly #task: LearningTask;
  readonly #memory: Memory;
  readonly #groupSizes: ByInput<number>;
  readonly #work: Work;
  readonly #pacer: EventLoopPacer;
  readonly #steps: number;
  #done = 0;

  constructor(task: LearningTask, memory: Memory, groupSizes: ByInput<number>, work: Work) {
    this.#task = task;
    this.#memory = memory;
    this.#groupSizes = groupSizes;
    this.#work = work;
    this.#pacer = new EventLoopPacer(work.host);
    this.#steps = (task.recipe.round as LearnedMethod).steps;
  }

  /**
   * @param hidden the block's input, f32[S, E] of each sample
   * @returns the float block's output
   */
  async learn(block: Block, hidden: readonly Float32Array[]): Promise<Float32Array[]> {
    const { stream } = this.#memory;
    await stream.loadLayer(block.layer);
    const targets = hidden.map((states) => this.#output(states));
    const linears = new Map<InputName, LearnedLinear>();
    for (const input of block.inputs) linears.set(input.name, await this.#linear(block, input.name));
    const all = [...linears.values()];
    const look = (apply: (linear: LearnedLinear) => void) => {
      all.forEach(apply);
      return squaredDifference(hidden.slice(0, SAMPLES_LOOKED_AT).map((states) => this.#output(states)), targets); // prettier-ignore
    };
    const nearest = look((linear) => linear.applyNearest());
    const searched = look((linear) => linear.apply());
    let best = { error: searched, learned: all.map((linear) => linear.learned()) };
    for (let step = 0; step < this.#steps; step++) {
      await this.#breathe(block, hidden[step % hidden.length]!);
      this.#step(linears, hidden[step % hidden.length]!, targets[step % hidden.length]!, step);
      if ((step + 1) % STEPS_BETWEEN !== 0 && step + 1 !== this.#steps) continue;
      const error = look((linear) => linear.apply());
      if (error < best.error) best = { error, learned: all.map((linear) => linear.learned()) };
    }
    for (const [i, linear] of all.entries()) {
      linear.restore(best.learned[i]!);
      this.#keep(linear);
    }
    const added = squaredDifference(hidden.slice(0, SAMPLES_LOOKED_AT), targets) || 1;
    const errors = { nearest: nearest / added, searched: searched / added, learned: best.error / added };
    this.result.blocks.push({ name: block.name, ...errors });
    return targets;
  }

  #output(hidden: Float32Array): Float32Array {
    const output = hidden.slice();
    this.#memory.stream.run(output);
    return output;
  }

  async #linear({ layer, inputs }: Block, name: InputName): Promise<LearnedLinear> {
    const { checkpoint, recipe, stats, inputs: plans } = this.#task;
    const input = inputs.find((each) => each.name === name)!;
    const plan = plans.find((each) => each.layer === layer && each.input === name)!;
    const weights: Float32Array[] = [];
    for (const module of input.modules) {
      const tensor = `${module.name}.weight`;
      const weight = await checkpoint.readF32(tensor, { signal: this.#work.signal });
      checkFinite(weight, input.width, { tensor, firstRow: 0 });
      weights.push(weight);
    }
    const { scales: scaleType, scaleConstraint: constraint } = recipe;
    const type = storedType(recipe.weights);
    const format: RowFormat = { K: input.width, G: this.#groupSizes[name]!, type, scaleType, constraint };
    const moment = equalizedMoment(stats[layer]![name]!.secondMoment, plan.factors);
    return new LearnedLinear(this.#memory, this.#memory.linears.get(name)!, { input, format }, weights, moment);
  }

  #step(linears: ReadonlyMap<InputName, LearnedLinear>, hidden: Float32Array, target: Float32Array, step: number): void {
    const { stream, block, gradients, input } = this.#memory;
    for (const linear of linears.values()) linear.apply();
    // Only signs are looked at, so factors may be left out.
    stream.differentiate(block, hidden, input, gradients, (output) => {
      for (let i = 0; i < output.length; i++) output[i]! -= target[i]!;
    });
    const rate = (1 / this.#steps) * (1 - step / this.#steps);
    for (const [name, linear] of linears) linear.step(gradients.linears[name]!.weights, rate);
  }

  async #breathe(block: Block, hidden: Float32Array): Promise<void> {
    const { signal, onProgress } = this.#work;
    throwIfAborted(signal, `learning to round ${block.name}`);
    const { config, blocks } = this.#memory.stream.description;
    this.#pacer.count(4 * blockWork(block, config, hidden.length / config.hiddenSize, 0));
    if (this.#pacer.due()) await this.#pacer.letEventsRun();
    onProgress?.({ phase: "learn rounding", done: ++this.#done, total: this.#steps * blocks.length, unit: "steps" });
  }

  #keep(linear: LearnedLinear): void {
    const { modules, errors } = this.result;
    for (const { name, rows, errors: own } of linear.modules()) {
      modules.set(name, storedModule(rows));
      errors.set(name, own);
    }
  }
}

/** Sum over those samples that both have. */
function squaredDifference(some: readonly Float32Array[], others: readonly Float32Array[]): number {
  let sum = 0;
  for (const [i, values] of some.entries()) {
    const other = others[i]!;
    for (let k = 0; k < values.length; k++) sum += (values[k]! - other[k]!) ** 2;
  }
  return sum;
}
