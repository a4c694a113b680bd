/** From a preset and what a caller changes in it to a recipe, checked as a whole. */
import { isFloat8 } from "../../checkpoint/formats/float8.ts";
import { MAX_RANK } from "../../checkpoint/quantization/low-rank.ts";
import { TWO_LEVEL_GROUP } from "../../checkpoint/quantization/two-level.ts";
import { CACHE_SCHEMES } from "../../checkpoint/quantization/quantization-config.ts";
import { RecipeError } from "../../errors.ts";
import { checkOptions } from "../../option-keys.ts";
import { EQUALIZATIONS, type EqualizationMethod } from "../transform/equalize.ts";
import { FOLDS } from "../transform/fold.ts";
import { TRANSFORMS } from "../transform/fptquant/transform-names.ts";
import { GROUP_SIZES, type GroupSize } from "./group-size.ts";
import { DEFAULT_TOLERANCE, PAPER_THRESHOLDS, type PolicyRule } from "../decide/policy.ts";
import { checkRecipe } from "./check-recipe.ts";
import { ACTIVATION_TYPES, type ActivationType, type Recipe, type RecipeWeights, storedType, WEIGHT_TYPES } from "./recipe.ts";
import { POLICY_RULES, RECIPE_OPTIONS, type RecipeOptions } from "./recipe-options.ts";
import { PRESETS, RECIPE_NAMES, type RecipeName } from "./recipe-presets.ts";
import { RANGE_NORMS } from "../decide/range-search.ts";
import { GPTQ_DEFAULTS, LEARNED_DEFAULTS, ROUNDINGS, type RoundingMethod, SEARCH_WEIGHTINGS } from "./rounding-method.ts"; // prettier-ignore
import { SCALE_CONSTRAINTS } from "../round/scale-constraint.ts";
import { SCALE_TYPES } from "./scale-type.ts";
import { LOSSES } from "../../training/loss.ts";
import { TRAINABLE, type Trainable } from "../../training/trainable.ts";

/** Far beyond what changes anything. */
const MOST_LOCAL_STEPS = 100_000;

/**
 * Makes the recipe of a preset's name and changes to it, as `quantize` does.
 *
 * @example
 * ```ts
 * import { resolveRecipe } from "fptq";
 *
 * const { weights, round } = resolveRecipe("fptq-best", { groupSize: 64 });
 * ```
 * @throws OptionError for an unknown option; RecipeError for an unknown preset, a value outside its domain,
 *   an option whose stage the recipe does not have, or stages that contradict each other
 */
export function resolveRecipe(name: string = "fptq", options: RecipeOptions = {}): Recipe {
  checkOptions(options, RECIPE_OPTIONS);
  const preset = PRESETS[checkChoice("recipe", RECIPE_NAMES, name)];
  const weights = checkChoice("weights", WEIGHT_TYPES, options.weights ?? preset.weights);
  const activations = checkChoice("activations", ACTIVATION_TYPES, options.activations ?? preset.activations);
  const { ranges: ownRanges, ...others } = preset;
  const ranges = checkChoice("ranges", ["absmax", ...RANGE_NORMS], options.ranges ?? ownRanges ?? "absmax");
  const recipe: Recipe = {
    ...others,
    // Absent where it says nothing, as in the recipes of checkpoints that were made before it could be said.
    ...(ranges !== "absmax" && { ranges }),
    ...(options.bits !== undefined && { bits: options.bits }),
    weights,
    activations,
    equalize: changeEqualization(preset, options),
    folds: changeFolds(preset, options),
    ...changeTransforms(preset, options),
    policy: changePolicy(preset, activations, options),
    overrides: options.overrides ?? preset.overrides,
    round: changeRounding(preset, options),
    groupSize: changeGroupSize(preset, weights, options.groupSize),
    lorcRank: checkRank(options.lorcRank ?? preset.lorcRank),
    ...changeDistillation(preset, options),
    scales: checkChoice("scales", SCALE_TYPES, options.scales ?? preset.scales),
    scaleConstraint: checkChoice("scaleConstraint", SCALE_CONSTRAINTS, options.scaleConstraint ?? preset.scaleConstraint),
    embedding: checkChoice("embedding", ["q8", "f16"], options.embedding ?? preset.embedding),
    kvCache: checkChoice("kvCache", CACHE_SCHEMES, options.kvCache ?? preset.kvCache),
  };
  checkRecipe(recipe);
  return recipe;
}

function changeEqualization(preset: Recipe, { equalize, alpha }: RecipeOptions): EqualizationMethod {
  const kind = checkChoice("equalize", EQUALIZATIONS, equalize ?? preset.equalize.kind);
  if (kind === "none" || kind === "awq") {
    const why = kind === "none" ? "does not equalize" : "searches its equalization";
    if (alpha !== undefined) throw new RecipeError(`alpha: recipe "${preset.name}" ${why}; lae and smoothquant have an alpha`);
    return { kind };
  }
  const inherited = preset.equalize.kind === kind ? preset.equalize.alpha : kind === "lae" ? 1 : 0.5;
  return { kind, alpha: alpha ?? inherited };
}

function changeFolds(preset: Recipe, { folds }: RecipeOptions): Recipe["folds"] {
  if (folds === undefined) return preset.folds;
  for (const fold of folds) checkChoice("folds", FOLDS, fold);
  return FOLDS.filter((fold) => folds.includes(fold));
}

/** A local stage is one of transforms that have numbers to tune. */
function changeTransforms(
  preset: Recipe,
  { transforms: asked, localSteps }: RecipeOptions,
): Pick<Recipe, "transforms" | "localSteps"> {
  for (const name of asked ?? []) checkChoice("transforms", TRANSFORMS, name);
  const transforms = asked ? TRANSFORMS.filter((name) => asked.includes(name)) : preset.transforms;
  const tunable = transforms.some((name) => name === "key" || name === "value" || name === "up");
  if (!tunable && localSteps)
    throw new RecipeError(`localSteps: got ${localSteps} without a transform of key, value or up; need one of them`);
  const steps = localSteps ?? (tunable ? preset.localSteps : 0);
  if (Number.isInteger(steps) && steps >= 0 && steps <= MOST_LOCAL_STEPS) return { transforms, localSteps: steps };
  throw new RecipeError(`localSteps: got ${steps}, need a whole number from 0 to ${MOST_LOCAL_STEPS}`);
}

function changePolicy(preset: Recipe, activations: ActivationType, options: RecipeOptions): PolicyRule {
  const { policy, v0, v1, tolerance } = options;
  if (policy !== undefined) checkChoice("policy", POLICY_RULES, policy);
  const inherited = preset.policy.kind === "uniform" ? preset.policy.activations : preset.policy.kind;
  if (activations === "none") {
    const given = policy ?? (v0 === undefined && v1 === undefined ? undefined : "range");
    if (given !== undefined) throw new RecipeError(`policy ${given}: activations are left in float, there is nothing to decide`);
    return { kind: "uniform", activations: "none" };
  }
  // What is asked for by name, or by a number that only one rule has.
  const given = v0 !== undefined || v1 !== undefined ? "range" : tolerance === undefined ? policy : "auto";
  if (activations === "int4") {
    if (given !== undefined && given !== "static") {
      throw new RecipeError(`policy ${given}: int4 activations have one calibrated scale and no other; "static" says that`);
    }
    return { kind: "uniform", activations: "static" };
  }
  if (isFloat8(activations)) {
    if (given !== undefined && given !== "dynamic") {
      throw new RecipeError(
        `policy ${given}: ${activations} activations have a scale per token and no other; "dynamic" says that`,
      );
    }
    return { kind: "uniform", activations: "dynamic" };
  }
  const kind = policy ?? (inherited === "none" ? "dynamic" : inherited);
  if ((v0 !== undefined || v1 !== undefined) && kind !== "range") {
    throw new RecipeError(`v0, v1: recipe "${preset.name}" has no thresholds under policy "${kind}"; "range" does`);
  }
  if (tolerance !== undefined && kind !== "auto") {
    throw new RecipeError(`tolerance: policy "${kind}" measures nothing; "auto" does`);
  }
  const own = preset.policy;
  switch (kind) {
    case "range": {
      const thresholds = own.kind === "range" ? own : PAPER_THRESHOLDS;
      return { kind, v0: v0 ?? thresholds.v0, v1: v1 ?? thresholds.v1 };
    }
    case "auto":
      return { kind, tolerance: tolerance ?? (own.kind === "auto" ? own.tolerance : DEFAULT_TOLERANCE) };
    case "static":
    case "dynamic":
      return { kind: "uniform", activations: kind };
  }
}

function changeRounding(preset: Recipe, options: RecipeOptions): RoundingMethod {
  const { search, damping, actOrder, refine, propagate } = options;
  const kind = checkChoice("round", ROUNDINGS, options.round ?? preset.round.kind);
  if (search !== undefined) checkChoice("search", [...SEARCH_WEIGHTINGS, "none"], search);
  if (propagate !== undefined) checkChoice("propagate", ["float", "quantized"], propagate);
  if (kind !== "gptq") {
    const given = Object.entries({ damping, actOrder, refine, propagate }).find(([, value]) => value !== undefined);
    if (given) throw new RecipeError(`${given[0]}: rounding "${kind}" has none; "gptq" does`);
  }
  if (kind !== "autoround" && options.roundSteps !== undefined) {
    throw new RecipeError(`roundSteps: rounding "${kind}" has none; "autoround" does`);
  }
  switch (kind) {
    case "autoround": {
      if (search !== undefined) throw new RecipeError(`search: rounding "autoround" begins with the scales of "search" by hessian and learns from there`); // prettier-ignore
      const own = preset.round.kind === "autoround" ? preset.round : LEARNED_DEFAULTS;
      return { kind, steps: options.roundSteps ?? own.steps };
    }
    case "nearest":
      if (search !== undefined) throw new RecipeError(`search: rounding "nearest" takes its scales from the largest weights; use "search" or "gptq"`); // prettier-ignore
      return { kind };
    case "search": {
      const own = preset.round.kind === "search" ? preset.round.weighting : "hessian";
      const weighting = search ?? own;
      if (weighting === "none" || weighting === "pivots") {
        throw new RecipeError(`search: got "${weighting}", need uniform or hessian for rounding "search"`);
      }
      return { kind, weighting };
    }
    case "gptq": {
      const own = preset.round.kind === "gptq" ? preset.round : GPTQ_DEFAULTS;
      return {
        kind,
        search: search ?? own.search,
        damping: damping ?? own.damping,
        actOrder: actOrder ?? own.actOrder,
        refine: refine ?? own.refine,
        propagate: propagate ?? own.propagate,
      };
    }
  }
}

function changeGroupSize(preset: Recipe, weights: RecipeWeights, size: RecipeOptions["groupSize"]): Recipe["groupSize"] {
  if (weights === "int8") {
    if (size !== undefined && size !== "channel") {
      throw new RecipeError(`group size: got ${size}, but int8 weights have one scale per channel; "channel" says that`);
    }
    return "channel";
  }
  if (storedType(weights) === "int4m") {
    if (size === undefined || size === "auto" || size === TWO_LEVEL_GROUP) return TWO_LEVEL_GROUP;
    throw new RecipeError(`group size: got ${size}, but ${weights} weights have groups of ${TWO_LEVEL_GROUP}`);
  }
  // A preset of int8 weights says "channel" because it must.
  if (size === undefined) return preset.weights === "int8" ? "auto" : preset.groupSize;
  if (size === "auto" || size === "channel") return size;
  const known = GROUP_SIZES.find((candidate) => candidate === size);
  if (known === undefined) {
    throw new RecipeError(`group size: got ${size}, need one of ${GROUP_SIZES.toSorted((a, b) => a - b).join(", ")}, channel`);
  }
  return known satisfies GroupSize;
}

function checkRank(rank: number): number {
  if (Number.isInteger(rank) && rank >= 0 && rank <= MAX_RANK) return rank;
  throw new RecipeError(`lorcRank: got ${rank}, need a whole number from 0 to ${MAX_RANK}`);
}

function changeDistillation(preset: Recipe, options: RecipeOptions) {
  const { distillSteps, distillLoss, distillTrain, distillValidation } = options;
  const steps = checkCount("distillSteps", distillSteps ?? preset.distillSteps);
  const given = Object.entries({ distillLoss, distillTrain, distillValidation }).find(([, value]) => value !== undefined);
  if (steps === 0 && given) throw new RecipeError(`${given[0]}: got it without distillation, need distillSteps above 0`);
  const train = distillTrain ?? preset.distillTrain;
  for (const kind of train) checkChoice("distillTrain", TRAINABLE, kind);
  return {
    distillSteps: steps,
    distillLoss: checkChoice("distillLoss", LOSSES, distillLoss ?? preset.distillLoss),
    distillTrain: TRAINABLE.filter((kind) => train.includes(kind)),
    distillValidation: checkCount("distillValidation", distillValidation ?? preset.distillValidation),
  };
}

function checkCount(option: string, count: number): number {
  if (Number.isInteger(count) && count >= 0) return count;
  throw new RecipeError(`${option}: got ${count}, need a whole number from 0`);
}

function checkChoice<T extends string>(option: string, choices: readonly T[], value: string): T {
  const known = choices.find((choice) => choice === value);
  if (known === undefined) throw new RecipeError(`${option}: got "${value}", need one of ${choices.join(", ")}`);
  return known;
}

export { LOSSES, TRAINABLE };
export type { RecipeName, Trainable };
