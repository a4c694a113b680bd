/**
 * Distillation: what a quantized model has in full precision or nearly so, the weights of its norms and the
 * scales of its weights, is tuned until its predictions come closer to the float model's. Codes stay as they
 * are, and so do format, size and speed.
 *
 *   loss = mean over tokens of KL(softmax(float logits) || softmax(quantized logits))
 *
 * Norms: Norm Tweaking (Li et al. 2023, arXiv 2309.02784), there layer by layer. Scales, end to end:
 * EfficientQAT (Chen et al. 2024, arXiv 2407.11062, section 3.3), there on text rather than on the float
 * model's predictions. The student runs its int8 kernels as they ship.
 */
import { describeModel } from "../architecture/description.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { RecipeError, throwIfAborted } from "../errors.ts";
import { blockWork } from "../model/block.ts";
import { EventLoopPacer } from "../model/event-loop-pacer.ts";
import type { Work } from "../host/work.ts";
import { Parameters, type TunedTensors } from "./parameters.ts";
import { Student } from "./student.ts";
import { finalHiddenStates } from "./teacher.ts";

/** What a step changes a number by at most, or nearly: Adam's rate, relative. */
export const RATE = 5e-4;
/** Steps over which the rate grows to that; then it falls to a tenth. */
const WARM_UP = 5;

export interface Distillation extends TunedTensors {
  /** Loss of each step's sample, in nats, before that step. */
  readonly losses: readonly number[];
}

/**
 * @param teacher the float model
 * @param student the quantized one
 * @param samples one for each step, in turn
 * @param round a weight scale to one that can be stored
 * @throws UnsupportedModelError for what is not differentiated; RecipeError without samples; CheckpointError,
 *   OptionError, CapabilityError; NumericError for NaN or infinity; AbortError
 */
export async function distill(
  teacher: Checkpoint,
  student: Checkpoint,
  samples: readonly Int32Array[],
  { steps, round }: { readonly steps: number; readonly round: (scale: number) => number },
  work: Work,
): Promise<Distillation> {
  const { signal, onProgress, host } = work;
  const used = samples.slice(0, steps).filter(({ length }) => length > 0);
  if (used.length === 0) throw new RecipeError("distillation: no samples, need at least one token");
  const targets = await finalHiddenStates(teacher, used, work);
  const rows = Math.max(...used.map(({ length }) => length));
  const model = await Student.load(student, teacher, rows, work);
  try {
    const parameters = await Parameters.read(student, model, round);
    const { blocks, config } = describeModel(student.config);
    const pacer = new EventLoopPacer(host);
    const losses: number[] = [];
    for (let step = 0; step < steps; step++) {
      const ids = used[step % used.length]!;
      const rate = rateOf(step, steps);
      model.forward(ids);
      losses.push(model.backwardHead(targets[step % used.length]!));
      parameters.stepFinalNorm(rate);
      for (let l = config.layers - 1; l >= 0; l--) {
        throwIfAborted(signal, `distillation, step ${step + 1} of ${steps}, layer ${l}`);
        model.backwardLayer(l, ids.length);
        parameters.stepLayer(l, rate);
        pacer.count(3 * blockWork(blocks[l]!, config, ids.length, 0));
        if (pacer.due()) await pacer.letEventsRun();
      }
      onProgress?.({ phase: "distill", done: step + 1, total: steps, unit: "steps" });
    }
    return { ...parameters.tuned(), losses };
  } finally {
    await model.dispose();
  }
}

/** Rate of a step, counted from 0: it warms up, then falls to a tenth. */
function rateOf(step: number, steps: number): number {
  return RATE * Math.min(1, (step + 1) / WARM_UP) * (1 - (0.9 * step) / steps);
}
