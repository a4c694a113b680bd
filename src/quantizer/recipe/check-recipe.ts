/** What a recipe's stages ask of each other. */
import { isFloat8 } from "../../checkpoint/formats/float8.ts";
import { RecipeError } from "../../errors.ts";
import { TRAINABLE, type Trainable } from "../../training/trainable.ts";
import { checkPolicyRule, parsePolicyName } from "../decide/policy.ts";
import { checkEqualization } from "../transform/equalize.ts";
import type { TransformName } from "../transform/fptquant/transform-names.ts";
import { type Recipe, storedType } from "./recipe.ts";
import { checkRounding } from "./rounding-method.ts";

/** Transforms that a model computes online, or may have to. */
const ONLINE: ReadonlySet<TransformName> = new Set<TransformName>(["residual", "down", "tokens"]);

/** @throws RecipeError for a number outside its domain, or stages that contradict each other */
export function checkRecipe(recipe: Recipe): void {
  checkRanges(recipe);
  checkMixture(recipe);
  checkPolicyRule(recipe.policy);
  checkEqualization(recipe.equalize);
  checkRounding(recipe.round);
  checkTogether(recipe);
  checkScaleConstraint(recipe);
  checkDistillation(recipe);
}

/** Something has to have a static scale. */
function checkRanges({ ranges, policy, overrides, kvCache }: Recipe): void {
  if (ranges === undefined || kvCache === "q8") return;
  const isStatic = policy.kind !== "uniform" || policy.activations === "static";
  if (isStatic || overrides.some((override) => parsePolicyName(override.policy).kind === "static")) return;
  throw new RecipeError(`ranges ${ranges}: no input and no cache of this recipe has a static scale; "absmax" says that`);
}

/** How many bits there can be depends on the model's sizes (`checkBits`). */
function checkMixture({ bits, weights, round, lorcRank }: Recipe): void {
  if (bits === undefined) return;
  if (!(bits > 4 && bits < 9)) throw new RecipeError(`bits: got ${bits}, need a number between 4 and 9`);
  if (weights === "int8") throw new RecipeError(`bits: got ${bits} for int8 weights, need weights of 4 bits`);
  if (round.kind === "autoround") throw new RecipeError(`bits: got ${bits} and round autoround, which learns codes of 4 bits`);
  if (lorcRank > 0) throw new RecipeError(`bits: got ${bits} and low-rank terms of rank ${lorcRank}, need one of them`);
}

/** What each option allows may still not fit together. */
function checkTogether({ name, weights, equalize, activations, overrides, policy, transforms, round, lorcRank }: Recipe): void {
  const online = transforms.filter((transform) => ONLINE.has(transform));
  if (round.kind === "autoround" && online.length > 0) {
    throw new RecipeError(`round autoround: got transforms ${online.join(", ")}, which are computed online, need models without`);
  }
  if (activations === "int4" && lorcRank > 0) {
    throw new RecipeError(
      `lorcRank: got ${lorcRank} with int4 activations, which are cut off before its term reads them; need 0`,
    );
  }
  if (equalize.kind === "awq" && weights === "keep") {
    throw new RecipeError(`equalize awq: searches a factor for each channel, but kept codes need one for each 32; use lae, smoothquant or none`); // prettier-ignore
  }
  if (equalize.kind === "awq" && policy.kind === "range") {
    throw new RecipeError(`equalize awq: policy "range" equalizes by range only; use "auto", "static" or "dynamic"`);
  }
  if (storedType(weights) === "int4m" && round.kind === "gptq" && round.search === "pivots") {
    throw new RecipeError(`search pivots: finds scales while rounding, but those of ${weights} weights are found before; use uniform or hessian`); // prettier-ignore
  }
  if (storedType(weights) === "int4m" && round.kind === "autoround") {
    throw new RecipeError(`round autoround: learns how to round symmetric codes, but ${weights} weights have minima; use nearest, search or gptq`); // prettier-ignore
  }
  for (const override of overrides) {
    const where = `policy override "${override.pattern}=${override.policy}"`;
    const { method, kind } = parsePolicyName(override.policy);
    if (method !== "none" && method !== equalize.kind) {
      const found = equalize.kind === "none" ? "does not equalize" : `equalizes by ${equalize.kind}`;
      throw new RecipeError(`${where}: recipe "${name}" ${found}`);
    }
    if (isFloat8(activations) && kind === "static") {
      throw new RecipeError(`${where}: ${activations} activations have a scale per token and no other; use dynamic or none`);
    }
    if (activations === "int4" && kind === "dynamic") {
      throw new RecipeError(`${where}: int4 activations have one calibrated scale and no other; use static or none`);
    }
    if (activations === "none" && kind !== "none") throw new RecipeError(`${where}: activations are left in float`);
  }
}

/**
 * Scales that a kernel looks for keep to no constraint: it would have to know which powers of two a row
 * allows.
 */
function checkScaleConstraint({ scaleConstraint, weights, round, groupSize }: Recipe): void {
  if (scaleConstraint === "none") return;
  const where = `scale constraint ${scaleConstraint}`;
  if (storedType(weights) === "int4m")
    throw new RecipeError(`${where}: ${weights} weights have whole scales times a row's; use int4`);
  if (round.kind === "search" || round.kind === "autoround" || (round.kind === "gptq" && round.search !== "none")) {
    const remedy = `use rounding "nearest", or "gptq" with search "none"`;
    throw new RecipeError(`${where}: rounding "${round.kind}" searches scales of least error, which keep to none; ${remedy}`);
  }
  if (round.kind === "gptq" && round.refine > 0) {
    throw new RecipeError(`${where}: refining changes scales one by one, which then keep to none; use refine 0`);
  }
  if (scaleConstraint === "m2" && groupSize === "channel") {
    throw new RecipeError(`${where}: relates the scales of a row's groups, but with group size "channel" a row has one; use m1`);
  }
}

/** What distillation tunes must be there, and nothing else in its way. */
function checkDistillation({
  distillSteps,
  distillTrain,
  weights,
  activations,
  policy,
  kvCache,
  transforms,
  lorcRank,
  scaleConstraint,
}: Recipe): void {
  if (distillSteps === 0) return;
  const refuse = (found: string, need: string) => new RecipeError(`distillation: ${found}; it tunes ${need}`);
  const tunes = (kind: Trainable) => distillTrain.includes(kind);
  if (distillTrain.length === 0) throw refuse("nothing to train", `one of ${TRAINABLE.join(", ")}, or several`);
  if (storedType(weights) === "int4m") throw refuse(`${weights} weights have whole scales`, "scales that are floats");
  if (activations !== "int8") throw refuse(`${activations} activations`, "what the int8 kernels compute");
  const online = transforms.filter((name) => ONLINE.has(name));
  if (online.length > 0) throw refuse(`transforms ${online.join(", ")}, which are computed online`, "models without");
  if (scaleConstraint !== "none" && tunes("scales"))
    throw refuse(`scale constraint ${scaleConstraint}`, "scales one by one, which then keep to none");
  if (tunes("lorc") && lorcRank === 0) throw refuse("lorc to train, but no low-rank terms", "those of lorcRank above 0");
  if (tunes("ranges") && kvCache !== "q8" && policy.kind === "uniform" && policy.activations !== "static")
    throw refuse("ranges to train, but every scale is one per token", "static inputs and a static cache");
}
