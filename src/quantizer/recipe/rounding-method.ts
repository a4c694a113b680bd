/** How weights become integers: the choices of the rounding stage, as data. */
import { RecipeError } from "../../errors.ts";

export const ROUNDINGS = ["nearest", "search", "gptq", "autoround"] as const;

/**
 * What a scale search weights errors by: nothing, or the diagonal of the Hessian, the mean square of each
 * channel's activation. GPTQ may weight by what rounding a column costs once all later ones have answered to
 * it, the squared pivots of the Hessian's factor.
 */
export const SEARCH_WEIGHTINGS = ["uniform", "hessian", "pivots"] as const;
export type SearchWeighting = (typeof SEARCH_WEIGHTINGS)[number];

export type RoundingMethod =
  /** Scales that cover the largest weight of a group, codes nearest to the weights (FPTQ, Equation 3). */
  | { readonly kind: "nearest" }
  /** Scales of least square error (`search-scales.ts` among the kernels), codes nearest to the weights. */
  | { readonly kind: "search"; readonly weighting: Exclude<SearchWeighting, "pivots"> }
  /** Codes that make up for the errors of other columns (GPTQ, Frantar et al. 2022). */
  | GptqMethod
  /** Codes and scales learned from those of a search, block by block (AutoRound, Cheng et al. 2023). */
  | LearnedMethod;

export interface LearnedMethod {
  readonly kind: "autoround";
  /** Steps for each block; what one moves falls from 1 / steps to 0. */
  readonly steps: number;
}

export const LEARNED_DEFAULTS: LearnedMethod = { kind: "autoround", steps: 200 };

export interface GptqMethod {
  readonly kind: "gptq";
  /** How the scale of a group is found when its first column is due; "none": to cover the largest weight. */
  readonly search: SearchWeighting | "none";
  /** What is added to the Hessian's diagonal, as a share of its mean. */
  readonly damping: number;
  /** Columns of large activations first; scales are then fixed before, on the weights as they are. */
  readonly actOrder: boolean;
  /** Passes of coordinate descent over scales and codes afterwards. */
  readonly refine: number;
  /** Whether Hessians and ranges are of what float linears before give, or of what the rounded ones give. */
  readonly propagate: "float" | "quantized";
}

export const GPTQ_DEFAULTS: GptqMethod = {
  kind: "gptq",
  search: "none",
  damping: 0.01,
  actOrder: false,
  refine: 0,
  propagate: "float",
};

/** Beyond this the Hessian says nothing any more. */
const MOST_DAMPING = 10;
const MOST_REFINEMENTS = 16;
const MOST_LEARNING_STEPS = 100_000;

/** @throws RecipeError for a value outside its domain or stages that contradict each other */
export function checkRounding(method: RoundingMethod): void {
  if (
    method.kind === "autoround" &&
    !(Number.isInteger(method.steps) && method.steps >= 1 && method.steps <= MOST_LEARNING_STEPS)
  ) {
    throw new RecipeError(`roundSteps: got ${method.steps}, need a whole number from 1 to ${MOST_LEARNING_STEPS}`);
  }
  if (method.kind !== "gptq") return;
  const { damping, refine, actOrder, search } = method;
  if (!(damping >= 0 && damping <= MOST_DAMPING)) {
    throw new RecipeError(`damping: got ${damping}, need a number from 0 to ${MOST_DAMPING}`);
  }
  if (!Number.isInteger(refine) || refine < 0 || refine > MOST_REFINEMENTS) {
    throw new RecipeError(`refine: got ${refine}, need an integer from 0 to ${MOST_REFINEMENTS}`);
  }
  if (actOrder && search === "pivots") {
    throw new RecipeError(
      `act-order fixes scales before rounding, search by pivots finds them while rounding; use uniform or hessian`,
    );
  }
}
