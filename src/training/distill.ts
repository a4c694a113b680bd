/**
 * Distillation: what a quantized model has in full precision or nearly so, the weights of its norms, the
 * scales of its weights and whatever else is chosen, is tuned until its predictions come closer to the float
 * model's. Codes stay as they are, and so do format, size and speed.
 *
 * loss = mean over tokens of a divergence of softmax(quantized logits) from softmax(float logits) (`loss.ts`)
 *
 * Norms: Norm Tweaking (Li et al. 2023, arXiv 2309.02784), there layer by layer. Scales, end to end:
 * EfficientQAT (Chen et al. 2024, arXiv 2407.11062, section 3.3), there on text rather than on the float
 * model's predictions. Static ranges: LSQ (Esser et al. 2020, arXiv 1902.08153). The student runs its int8
 * kernels as they ship, so what it computes is rounded as it will be.
 */
import { describeModel } from "../architecture/description.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { NumericError, RecipeError, throwIfAborted } from "../errors.ts";
import { blockWork } from "../model/block.ts";
import { EventLoopPacer } from "../model/event-loop-pacer.ts";
import type { GradientKind } from "../model/gradient-buffers.ts";
import type { Work } from "../host/work.ts";
import type { LossKind } from "./loss.ts";
import { Parameters, type TrainingChoice, type TunedTensors } from "./parameters.ts";
import { type RunStore, type RunState, TrainingRun } from "./training-run.ts";
import { Student } from "./student.ts";
import { checkTeacher, finalHiddenStates } from "./teacher.ts";

/** What a step changes a number by at most, or nearly: Adam's rate, relative. */
const RATE = 5e-4;
/** Steps over which the rate grows to that; then it falls to a tenth. */
const WARM_UP = 5;
/** Steps between looks at the validation samples, and between states of the run that are kept. */
export const STEPS_BETWEEN = 16;
/** Looks in turn that found nothing better, after which training ends. */
export const PATIENCE = 4;
/**
 * A loss on the validation samples that has grown to this many times the first one is no training any more.
 */
const DIVERGED = 2;
/**
 * Steps whose samples the float model has gone through before they are due: 1.2 MB each at E = 576, 512
 * tokens.
 */
const STEPS_AHEAD = 128;

export interface DistillationTask extends TrainingChoice {
  readonly steps: number;
  /** Adam's rate at most; by default what models of any size were seen to bear. */
  readonly rate?: number;
  readonly loss: LossKind;
  /** One for each step, in turn, again from the first where they end. */
  readonly samples: readonly Int32Array[];
  /** What decides which step's parameters are kept; none: the last one's. */
  readonly validation: readonly Int32Array[];
  /** Where the run is kept, to go on from there in another process; nowhere if undefined. */
  readonly store?: RunStore | undefined;
}

/** How a run went. */
export interface Distillation extends Pick<RunState, "losses" | "validation"> {
  readonly tuned: TunedTensors;
  /** Steps behind which the parameters are those that were kept. */
  readonly kept: number;
  /** The reason why training ended before its last step. */
  readonly stopped: string | undefined;
}

/**
 * @param teacher the float model
 * @param student the quantized one
 * @throws UnsupportedModelError for what is not differentiated; RecipeError without samples or for a teacher
 *   that is not the student's; CheckpointError, OptionError, CapabilityError; NumericError for NaN or
 *   infinity where no earlier parameters were kept; AbortError
 */
export async function distill(
  teacher: Checkpoint,
  student: Checkpoint,
  task: DistillationTask,
  work: Work,
): Promise<Distillation> {
  checkTeacher(teacher, student);
  const samples = task.samples.slice(0, task.steps).filter(({ length }) => length > 0);
  if (samples.length === 0) throw new RecipeError("distillation: no samples, need at least one token");
  const rows = Math.max(...[...samples, ...task.validation].map(({ length }) => length));
  const wanted = new Set(task.trained.flatMap((kind): GradientKind[] => GRADIENTS[kind]));
  const model = await Student.load(student, teacher, { rows, wanted }, work);
  try {
    const parameters = await Parameters.read(student, model, task);
    const run = await TrainingRun.open(parameters, task.store, work);
    const distiller = new Distiller(teacher, { ...task, samples }, { model, parameters, run }, work);
    return await distiller.train();
  } finally {
    await model.dispose();
  }
}

const GRADIENTS: Readonly<Record<TrainingChoice["trained"][number], GradientKind[]>> = {
  norms: [],
  scales: ["scales"],
  ranges: ["ranges"],
  biases: ["biases"],
  lorc: ["lowRank"],
};

interface Parts {
  readonly model: Student;
  readonly parameters: Parameters;
  readonly run: TrainingRun;
}

class Distiller {
  readonly #teacher: Checkpoint;
  readonly #task: DistillationTask;
  readonly #model: Student;
  readonly #parameters: Parameters;
  readonly #run: TrainingRun;
  readonly #work: Work;
  readonly #pacer: EventLoopPacer;
  /** What the float model makes of samples that are due, by index. */
  #targets = new Map<number, Float32Array>();
  #validationTargets: readonly Float32Array[] = [];

  constructor(teacher: Checkpoint, task: DistillationTask, { model, parameters, run }: Parts, work: Work) {
    this.#teacher = teacher;
    this.#task = task;
    this.#model = model;
    this.#parameters = parameters;
    this.#run = run;
    this.#work = work;
    this.#pacer = new EventLoopPacer(work.host);
  }

  async train(): Promise<Distillation> {
    const { steps, validation } = this.#task;
    const run = this.#run;
    if (validation.length > 0) this.#validationTargets = await this.#hiddenStates(validation);
    // What rounding alone gave may prove to be the best.
    if (validation.length > 0 && run.step === 0) await this.#validate();
    let stopped = this.#reasonToStop();
    while (run.step < steps && stopped === undefined) {
      try {
        await this.#step(run.step);
      } catch (error) {
        if (!(error instanceof NumericError) || run.best === undefined) throw error;
        stopped = `diverged at step ${run.step + 1}: ${error.message}`;
        break;
      }
      const isLast = run.step === steps;
      if (run.step % STEPS_BETWEEN !== 0 && !isLast) continue;
      if (validation.length > 0) await this.#validate();
      stopped = this.#reasonToStop();
      if (!isLast && stopped === undefined) await run.save();
    }
    if (stopped !== undefined) this.#work.onWarning?.(`distillation: ${stopped}; kept what step ${run.best!.step} left`);
    if (run.best) this.#parameters.restore(run.best.values);
    const { losses, validation: found } = run;
    return { tuned: this.#parameters.tuned(), losses, validation: found, kept: run.best?.step ?? run.step, stopped };
  }

  async #step(step: number): Promise<void> {
    const { samples, steps, loss, rate: most = RATE } = this.#task;
    const { blocks, config } = describeModel(this.#teacher.config);
    const ids = samples[step % samples.length]!;
    const target = await this.#target(step);
    const rate = rateOf(step, steps, most);
    this.#model.forward(ids);
    const value = this.#model.backwardHead(target, loss);
    if (!Number.isFinite(value)) throw new NumericError(`distillation: got a loss of ${value}; a smaller rate may help`);
    this.#parameters.stepFinalNorm(rate);
    for (let l = config.layers - 1; l >= 0; l--) {
      throwIfAborted(this.#work.signal, `distillation, step ${step + 1} of ${steps}, layer ${l}`);
      this.#model.backwardLayer(l, ids.length);
      this.#parameters.stepLayer(l, rate);
      this.#pacer.count(3 * blockWork(blocks[l]!, config, ids.length, 0));
      if (this.#pacer.due()) await this.#pacer.letEventsRun();
    }
    this.#run.stepped(value);
    this.#work.onProgress?.({ phase: "distill", done: step + 1, total: steps, unit: "steps" });
  }

  /** The float model goes through many samples at a time, since it is read again each time. */
  async #target(step: number): Promise<Float32Array> {
    const { samples, steps } = this.#task;
    const indexOf = (at: number) => at % samples.length;
    const found = this.#targets.get(indexOf(step));
    if (found) return found;
    const end = Math.min(steps, step - (step % STEPS_AHEAD) + STEPS_AHEAD);
    const indices = [...new Set(Array.from({ length: end - step }, (_, i) => indexOf(step + i)))];
    const states = await this.#hiddenStates(indices.map((index) => samples[index]!));
    this.#targets = new Map(indices.map((index, i) => [index, states[i]!]));
    return this.#targets.get(indexOf(step))!;
  }

  #hiddenStates(samples: readonly Int32Array[]): Promise<Float32Array[]> {
    return finalHiddenStates(this.#teacher, samples, this.#model.maxRows, this.#work);
  }

  /** Looks at the validation samples, and keeps the parameters if they are the best so far. */
  async #validate(): Promise<void> {
    const { validation, loss, steps } = this.#task;
    let sum = 0;
    try {
      for (const [i, ids] of validation.entries()) {
        throwIfAborted(this.#work.signal, `distillation, validation after step ${this.#run.step} of ${steps}`);
        this.#model.forward(ids);
        sum += ids.length * this.#model.lossOf(this.#validationTargets[i]!, loss);
        await this.#pacer.letEventsRun();
      }
    } catch (error) {
      if (!(error instanceof NumericError) || this.#run.step === 0) throw error;
      sum = Infinity; // no training any more: `#reasonToStop` says so
    }
    this.#run.validated(sum / validation.reduce((rows, { length }) => rows + length, 0));
  }

  #reasonToStop(): string | undefined {
    const { validation, best, step } = this.#run;
    const [first, last] = [validation[0], validation.at(-1)];
    if (!first || !last || !best) return undefined;
    if (!(last.loss <= DIVERGED * first.loss))
      return `diverged by step ${step}: validation loss ${last.loss}, at first ${first.loss}`;
    const since = validation.filter((look) => look.step > best.step).length;
    return since >= PATIENCE ? `no better since step ${best.step}, ${since} looks at the validation samples` : undefined;
  }
}

/** Rate of a step, counted from 0: it warms up, then falls to a tenth. */
function rateOf(step: number, steps: number, most: number): number {
  return most * Math.min(1, (step + 1) / WARM_UP) * (1 - (0.9 * step) / steps);
}
