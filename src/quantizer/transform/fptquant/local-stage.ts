/**
 * The local stage: the numbers of one transform tuned by Adam until norms of what it changes are small
 * (`local-loss.ts`). Without randomness; what is kept is the best that was seen, the start included.
 */
import { localLoss, relativeLoss, type Term } from "./local-loss.ts";
import type { Sides, TunableTransform } from "./tunable.ts";

/** Adam's rate: no number moves by more, or hardly, in a step. */
const RATE = 1e-2;
const [BETA1, BETA2, EPSILON] = [0.9, 0.999, 1e-8];
/** A loss this many times that of the start will not come back. */
const DIVERGED = 4;

export interface Tuned {
  /** The loss of the start is 1. */
  readonly best: number;
  readonly steps: number;
  /** Whether it was ended early, since the loss had grown too large or was no number. */
  readonly diverged: boolean;
}

/**
 * Leaves the best parameters in `transform`.
 *
 * @param between called between steps
 * @throws what `between` throws
 */
export async function tuneLocally(
  transform: TunableTransform,
  sides: Sides,
  terms: readonly Term[],
  steps: number,
  between: () => Promise<void>,
): Promise<Tuned> {
  const { parameters } = transform;
  const starts = localLoss(transform.merge(sides), terms).norms;
  const kept = { parameters: parameters.slice(), loss: 1 };
  const [mean, square] = [new Float64Array(parameters.length), new Float64Array(parameters.length)];
  let [left1, left2] = [1, 1];
  let done = 0;
  let diverged = false;
  // One loss more than there are steps: that of the last one's parameters.
  for (; done <= steps; done++) {
    const merged = transform.merge(sides);
    const { norms, gradients } = localLoss(merged, terms, starts);
    const loss = relativeLoss(norms, starts);
    diverged = !(loss < DIVERGED);
    if (diverged) break;
    if (loss < kept.loss) {
      kept.loss = loss;
      kept.parameters.set(parameters);
    }
    if (done === steps) break;
    const gradient = transform.gradient(sides, merged, gradients);
    left1 *= BETA1;
    left2 *= BETA2;
    const rate = RATE * (1 - (0.9 * done) / steps);
    for (let i = 0; i < parameters.length; i++) {
      const g = gradient[i]!;
      mean[i] = BETA1 * mean[i]! + (1 - BETA1) * g;
      square[i] = BETA2 * square[i]! + (1 - BETA2) * g * g;
      parameters[i]! -= (rate * mean[i]!) / (1 - left1) / (Math.sqrt(square[i]! / (1 - left2)) + EPSILON);
    }
    await between();
  }
  parameters.set(kept.parameters);
  return { best: kept.loss, steps: done, diverged };
}
