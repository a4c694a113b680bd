/**
 * A recipe names a choice for each stage of the quantizer. It is plain data: printed, saved with the
 * checkpoint, compared, repeated.
 */
import { FLOAT8_FORMATS, type Float8Name } from "../../checkpoint/formats/float8.ts";
import type { LossKind } from "../../training/loss.ts";
import type { Trainable } from "../../training/trainable.ts";
import type { WeightType } from "../../checkpoint/quantization/pack-quantized.ts";
import { TWO_LEVEL_GROUP } from "../../checkpoint/quantization/two-level.ts";
import type { CacheScheme } from "../../checkpoint/quantization/quantization-config.ts";
import type { EqualizationMethod } from "../transform/equalize.ts";
import type { Fold } from "../transform/fold.ts";
import type { TransformName } from "../transform/fptquant/transform-names.ts";
import type { GroupSize } from "./group-size.ts";
import type { PolicyOverride, PolicyRule } from "../decide/policy.ts";
import type { RangeNorm } from "../decide/range-search.ts";
import type { GptqMethod, RoundingMethod } from "./rounding-method.ts";
import type { ScaleConstraint } from "../round/scale-constraint.ts";
import type { ScaleType } from "./scale-type.ts";

export const WEIGHT_TYPES = ["int4", "int4m", "keep", "fp4", "int8"] as const satisfies readonly (WeightType | "keep")[];
export type RecipeWeights = (typeof WEIGHT_TYPES)[number];

/** How weights are stored that a recipe asks for: those that keep their codes as what can have any such. */
export function storedType(weights: RecipeWeights): WeightType {
  return weights === "keep" ? "int4m" : weights;
}

/** How many channels a transform must multiply alike, for kept codes to stay (`round/kept-codes.ts`). */
export function channelsAlike({ weights }: Pick<Recipe, "weights">): 1 | 32 {
  return weights === "keep" ? TWO_LEVEL_GROUP : 1;
}

export type ActivationType = "int8" | "int4" | Float8Name | "none";
export const ACTIVATION_TYPES: readonly ActivationType[] = [
  "int8",
  "int4",
  ...(Object.keys(FLOAT8_FORMATS) as Float8Name[]),
  "none",
];

/** How a model is quantized, with a choice for every stage. */
export interface Recipe {
  /** The preset it started from. */
  readonly name: string;
  /**
   * "int4m" has scales and minima in two levels, "keep" the codes of a 4-bit source in the same form; what is
   * on no such grid is rounded as "int4m".
   */
  readonly weights: RecipeWeights;
  /**
   * "int4" has codes of 4 bits under static scales, which the kernels of int8 multiply. "none" leaves
   * activations in float: W4A16, run on dequantized weights. 8-bit floats are simulated on such weights, a
   * scale per token.
   */
  readonly activations: ActivationType;
  /** What equalizing means where the policy asks for it. */
  readonly equalize: EqualizationMethod;
  /**
   * Channels evened out between linears that nothing else sees, before anything is decided; in the order of
   * `FOLDS`.
   */
  readonly folds: readonly Fold[];
  /**
   * FPTQuant's transforms, which leave the float model's function as it is and its numbers easier to round;
   * behind the folds, in the order of `TRANSFORMS`.
   */
  readonly transforms: readonly TransformName[];
  /** Steps of the local stage, which tunes those that have numbers to tune; 0 keeps what they start with. */
  readonly localSteps: number;
  /** How inputs get static scales or one per token. */
  readonly policy: PolicyRule;
  /** Applied after the rule, later ones win. */
  readonly overrides: readonly PolicyOverride[];
  /**
   * How the range of a static scale is found, for inputs and a static cache: by least L_p error over rows of
   * the calibration (`range-search.ts`); absent: the largest magnitude.
   */
  readonly ranges?: RangeNorm;
  /** How weights are rounded. */
  readonly round: RoundingMethod;
  /**
   * Weights along in_features that share a scale; "auto": the largest of 128, 64, 32 that divides, per input;
   * "channel": a whole row.
   */
  readonly groupSize: GroupSize | "auto" | "channel";
  /**
   * Bits per weight in the blocks, scales included, that linears of 8 bits may bring it to, where they help
   * most (`mixed-bits.ts`); absent: all are of `weights`.
   */
  readonly bits?: number;
  /** Rank of what makes up for rounding errors beside each weight (LoRC); 0 for none. */
  readonly lorcRank: number;
  /**
   * Steps of distillation, which tunes what is not rounded to few bits once all is rounded (`src/training`);
   * 0 for none.
   */
  readonly distillSteps: number;
  /** What its steps lower (`src/training/loss.ts`). */
  readonly distillLoss: LossKind;
  /** What they tune; in the order of `TRAINABLE`. */
  readonly distillTrain: readonly Trainable[];
  /** Sequences that are held out to decide which step's numbers are kept; 0: those of the last one are. */
  readonly distillValidation: number;
  /** How weight scales are stored. */
  readonly scales: ScaleType;
  /** What they must be, relative to two or to each other. */
  readonly scaleConstraint: ScaleConstraint;
  /**
   * Embedding and head: int8 per row, or floats for readers that cannot load a packed embedding
   * (transformers, vLLM).
   */
  readonly embedding: "q8" | "f16";
  /**
   * The KV cache the model is made for: int8 with scales that are stored, static, per tensor, per layer; int8
   * with a scale for each token and K/V head, computed while running; or floats.
   */
  readonly kvCache: CacheScheme;
}

/** A recipe for which statistics of channels are enough. */
export type StatsRecipe = Recipe & { readonly round: Exclude<RoundingMethod, GptqMethod> };

export function channelStatsSuffice(recipe: Recipe): recipe is StatsRecipe {
  return !needsHessians(recipe);
}

/** Whether the recipe looks at more of an activation than the range and mean square of each channel. */
export function needsHessians({ equalize, policy, ranges, round, bits }: Recipe): boolean {
  const isMeasured = equalize.kind === "awq" || policy.kind === "auto" || ranges !== undefined || bits !== undefined;
  return isMeasured || round.kind === "gptq";
}
