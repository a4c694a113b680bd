/**
 * A recipe names a choice for each stage of the quantizer. It is plain data: printed, saved with the checkpoint, compared, repeated.
 */
import { RecipeError } from "../errors.ts";
import { checkEqualization, type EqualizationMethod } from "./equalize.ts";
import { GROUP_SIZES, type GroupSize } from "./group-size.ts";
import { checkPolicyRule, PAPER_THRESHOLDS, type PolicyOverride, type PolicyRule } from "./policy.ts";

export const RECIPE_NAMES = ["fptq", "rtn", "rtn-static"] as const;
export type RecipeName = (typeof RECIPE_NAMES)[number];

export interface Recipe {
  /** The preset it started from. */
  readonly name: RecipeName;
  readonly policy: PolicyRule;
  /** Applied after the rule, later ones win. */
  readonly overrides: readonly PolicyOverride[];
  /** What equalizing means where the policy asks for it. */
  readonly equalize: EqualizationMethod;
  readonly round: RoundingMethod;
  /** Weights along in_features that share a scale; "auto": the largest of 128, 64, 32 that divides, per input. */
  readonly groupSize: GroupSize | "auto";
  /** Embedding and head: int8 per row, or floats for readers that cannot load a packed embedding (transformers, vLLM). */
  readonly embedding: "q8" | "f16";
  /** Whether to store scales for an int8 KV cache: static, per tensor, per layer. */
  readonly kvCache: "q8" | "f32";
}

export type RoundingMethod = { readonly kind: "nearest" };

const COMMON = {
  overrides: [],
  round: { kind: "nearest" },
  groupSize: "auto",
  embedding: "q8",
  kvCache: "q8",
} as const satisfies Partial<Recipe>;

const PRESETS: Readonly<Record<RecipeName, Recipe>> = {
  /** The paper: Algorithm 1 with its thresholds, equalization folded into norms. */
  fptq: { ...COMMON, name: "fptq", policy: { kind: "range", ...PAPER_THRESHOLDS }, equalize: { kind: "lae", alpha: 1 } },
  /** Round to nearest, a scale per token everywhere: what W4A8 means in compressed-tensors. */
  rtn: { ...COMMON, name: "rtn", policy: { kind: "uniform", activations: "dynamic" }, equalize: { kind: "none" } },
  /** Round to nearest, one calibrated scale per input everywhere: the baseline FPTQ improves on. */
  "rtn-static": { ...COMMON, name: "rtn-static", policy: { kind: "uniform", activations: "static" }, equalize: { kind: "none" } },
};

/** What a caller may change in a preset, under the names of the command line. */
export interface RecipeOptions {
  readonly v0?: number | undefined;
  readonly v1?: number | undefined;
  readonly alpha?: number | undefined;
  readonly groupSize?: number | undefined;
  readonly embedding?: "q8" | "f16" | undefined;
  readonly kvCache?: "q8" | "f32" | undefined;
  readonly overrides?: readonly PolicyOverride[] | undefined;
}

/**
 * A preset with changes, checked as a whole.
 *
 * @throws RecipeError for an unknown preset, a value outside its domain, or an option the preset does not have
 */
export function resolveRecipe(name: string = "fptq", options: RecipeOptions = {}): Recipe {
  if (!Object.hasOwn(PRESETS, name)) {
    throw new RecipeError(`recipe: got "${name}", need one of ${RECIPE_NAMES.join(", ")}`);
  }
  const preset = PRESETS[name as RecipeName];
  const recipe: Recipe = {
    ...preset,
    policy: changeThresholds(preset, options),
    equalize: changeAlpha(preset, options.alpha),
    overrides: options.overrides ?? preset.overrides,
    groupSize: options.groupSize === undefined ? preset.groupSize : checkGroupSize(options.groupSize),
    embedding: checkChoice("embedding", ["q8", "f16"], options.embedding ?? preset.embedding),
    kvCache: checkChoice("kvCache", ["q8", "f32"], options.kvCache ?? preset.kvCache),
  };
  checkPolicyRule(recipe.policy);
  checkEqualization(recipe.equalize);
  for (const { pattern, policy } of recipe.overrides) {
    if (recipe.equalize.kind === "none" && policy.startsWith("lae+")) {
      throw new RecipeError(`policy override "${pattern}=${policy}": recipe "${name}" does not equalize`);
    }
  }
  return recipe;
}

function changeThresholds({ name, policy }: Recipe, { v0, v1 }: RecipeOptions): PolicyRule {
  if (v0 === undefined && v1 === undefined) return policy;
  if (policy.kind !== "range") throw new RecipeError(`v0, v1: recipe "${name}" has no thresholds; "fptq" does`);
  return { kind: "range", v0: v0 ?? policy.v0, v1: v1 ?? policy.v1 };
}

function changeAlpha({ name, equalize }: Recipe, alpha: number | undefined): EqualizationMethod {
  if (alpha === undefined) return equalize;
  if (equalize.kind !== "lae") throw new RecipeError(`alpha: recipe "${name}" does not equalize; "fptq" does`);
  return { kind: "lae", alpha };
}

function checkGroupSize(size: number): GroupSize {
  const known = GROUP_SIZES.find((candidate) => candidate === size);
  if (known === undefined)
    throw new RecipeError(`group size: got ${size}, need one of ${GROUP_SIZES.toSorted((a, b) => a - b).join(", ")}`);
  return known;
}

function checkChoice<T extends string>(option: string, choices: readonly T[], value: T): T {
  if (!choices.includes(value)) throw new RecipeError(`${option}: got "${value}", need one of ${choices.join(", ")}`);
  return value;
}
