/** What a caller may change in a preset. */
import type { CacheScheme } from "../../checkpoint/quantization/quantization-config.ts";
import { type OptionKeys, optionKeys } from "../../option-keys.ts";
import type { LossKind } from "../../training/loss.ts";
import type { Trainable } from "../../training/trainable.ts";
import type { PolicyOverride } from "../decide/policy.ts";
import type { RangeNorm } from "../decide/range-search.ts";
import type { ScaleConstraint } from "../round/scale-constraint.ts";
import type { EqualizationMethod } from "../transform/equalize.ts";
import type { Fold } from "../transform/fold.ts";
import type { TransformName } from "../transform/fptquant/transform-names.ts";
import type { ActivationType, RecipeWeights } from "./recipe.ts";
import type { RoundingMethod, SearchWeighting } from "./rounding-method.ts";
import type { ScaleType } from "./scale-type.ts";

export const POLICY_RULES = ["auto", "range", "static", "dynamic"] as const;

/** What a caller may change in a preset, under the names of the command line. */
export interface RecipeOptions {
  /** How weights are stored. */
  readonly weights?: RecipeWeights | undefined;
  /** How inputs of linear layers are rounded. */
  readonly activations?: ActivationType | undefined;
  /** How inputs behind norms are equalized. */
  readonly equalize?: EqualizationMethod["kind"] | undefined;
  /** Strength of the equalization: exponent of LAE, or SmoothQuant's balance of activations and weights. */
  readonly alpha?: number | undefined;
  /** Pairs of linear layers between which factors are moved. */
  readonly folds?: readonly Fold[] | undefined;
  /** Transforms of FPTQuant to merge into weights. */
  readonly transforms?: readonly TransformName[] | undefined;
  /** Read where a transform has numbers to tune. */
  readonly localSteps?: number | undefined;
  /** How inputs get static scales or one per token. */
  readonly policy?: (typeof POLICY_RULES)[number] | undefined;
  /** Thresholds of policy "range". */
  readonly v0?: number | undefined;
  /** Range from which a scale per token is used. */
  readonly v1?: number | undefined;
  /** Read by policy "auto" alone. */
  readonly tolerance?: number | undefined;
  /** Policies by hand, for inputs whose name fits a pattern. */
  readonly overrides?: readonly PolicyOverride[] | undefined;
  /** The range of a static scale: the largest magnitude, or the one of least L2, L3 or L4 error. */
  readonly ranges?: "absmax" | RangeNorm | undefined;
  /** How weights are rounded. */
  readonly round?: RoundingMethod["kind"] | undefined;
  /** What a scale search weights errors by; "none" searches no scales, for gptq. */
  readonly search?: SearchWeighting | "none" | undefined;
  /** Read by gptq alone, as are the three behind it. */
  readonly damping?: number | undefined;
  /** Whether columns of large inputs are rounded first. */
  readonly actOrder?: boolean | undefined;
  /** Rounds of refining codes after GPTQ. */
  readonly refine?: number | undefined;
  /** What a layer's Hessian is made of: inputs of the float model, or of what was quantized before. */
  readonly propagate?: "float" | "quantized" | undefined;
  /** Read by autoround alone. */
  readonly roundSteps?: number | undefined;
  /** Weights with one scale, along the input. */
  readonly groupSize?: number | "auto" | "channel" | undefined;
  /** Bits per weight in the blocks, to which linears of 8 bits are added where they help most. */
  readonly bits?: number | undefined;
  /** Rank of the terms that keep part of what rounding loses (LoRC); 0 for none. */
  readonly lorcRank?: number | undefined;
  /** Steps of distillation after quantizing; 0 for none. */
  readonly distillSteps?: number | undefined;
  /** Read where there are steps of distillation, as are the two behind it. */
  readonly distillLoss?: LossKind | undefined;
  /** What is trained then. */
  readonly distillTrain?: readonly Trainable[] | undefined;
  /** Sequences held out, by which the best step is chosen. */
  readonly distillValidation?: number | undefined;
  /** How weight scales are stored. */
  readonly scales?: ScaleType | undefined;
  /** Whether scales are held to powers of two (ZeroQuant-FP). */
  readonly scaleConstraint?: ScaleConstraint | undefined;
  /** How the embedding is stored. */
  readonly embedding?: "q8" | "f16" | undefined;
  /** How keys and values are cached. */
  readonly kvCache?: CacheScheme | undefined;
}

export const RECIPE_OPTIONS: OptionKeys = optionKeys<RecipeOptions>({
  weights: 0, activations: 0, equalize: 0, alpha: 0, folds: 0, transforms: 0, localSteps: 0, policy: 0, v0: 0, v1: 0, tolerance: 0, overrides: 0, ranges: 0, round: 0, search: 0,
  damping: 0, actOrder: 0, refine: 0, propagate: 0, roundSteps: 0, groupSize: 0, bits: 0, lorcRank: 0, distillSteps: 0,
  distillLoss: 0, distillTrain: 0, distillValidation: 0, scales: 0, scaleConstraint: 0, embedding: 0, kvCache: 0,
}); // prettier-ignore
