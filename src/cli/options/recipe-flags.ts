/** The recipe's stages as options of the command line. */
import { type Command, InvalidArgumentError } from "commander";
import { MAX_RANK } from "../../checkpoint/quantization/low-rank.ts";
import { CACHE_SCHEMES } from "../../checkpoint/quantization/quantization-config.ts";
import { EQUALIZATIONS } from "../../quantizer/transform/equalize.ts";
import { FOLDS } from "../../quantizer/transform/fold.ts";
import { TRANSFORMS } from "../../quantizer/transform/fptquant/transform-names.ts";
import { parsePolicyOverride, type PolicyOverride } from "../../quantizer/decide/policy.ts";
import { RANGE_NORMS } from "../../quantizer/decide/range-search.ts";
import { ACTIVATION_TYPES, WEIGHT_TYPES } from "../../quantizer/recipe/recipe.ts";
import { POLICY_RULES, RECIPE_OPTIONS, type RecipeOptions } from "../../quantizer/recipe/recipe-options.ts";
import { RECIPE_NAMES } from "../../quantizer/recipe/recipe-presets.ts";
import { ROUNDINGS, SEARCH_WEIGHTINGS } from "../../quantizer/recipe/rounding-method.ts";
import { SCALE_CONSTRAINTS } from "../../quantizer/round/scale-constraint.ts";
import { SCALE_TYPES } from "../../quantizer/recipe/scale-type.ts";
import { withOptionKeys } from "../../option-keys.ts";
import { LOSSES, TRAINABLE } from "../../quantizer/recipe/resolve-recipe.ts";
import { integer, number, oneOf, someOf, someOrNoneOf } from "./option-values.ts";

/**
 * Flags of the recipe, undefined unless given (all but `recipe`): a preset refuses what it has no stage for.
 */
export interface RecipeFlags extends Omit<RecipeOptions, "overrides"> {
  readonly recipe: string;
  readonly override?: readonly PolicyOverride[];
}

const GROUP_SIZE = oneOf("32", "64", "128", "channel");
const parseGroupSize = Object.assign(
  (text: string): number | "channel" => {
    const size = GROUP_SIZE(text);
    return size === "channel" ? size : Number(size);
  },
  { choices: GROUP_SIZE.choices },
);

export function addRecipeOptions(command: Command): Command {
  const choice = (name: string, choices: readonly string[], description: string) =>
    command.option(`--${name} <${choices.join("|")}>`, description, oneOf(...choices));
  command
    .optionsGroup("Recipe:")
    .option(`--recipe <name>`, `preset of choices for each stage: ${RECIPE_NAMES.join(", ")}`, oneOf(...RECIPE_NAMES), "fptq");
  choice(
    "weights",
    WEIGHT_TYPES,
    "how weights are stored: int4 or fp4 (E2M1 floats) in groups, int4m with a minimum in each, keep with the codes of a 4-bit source, int8 with a scale per channel",
  );
  choice(
    "activations",
    ACTIVATION_TYPES,
    "int8; int4 under static scales, in operands of 8 bits; 8-bit floats E4M3 or E5M2, simulated in float32; or none: left in float, weights run dequantized",
  );
  command.option("--group-size <32|64|128|channel>", "in_features that share a weight scale (default: the largest that divides)", parseGroupSize); // prettier-ignore
  command.option(
    "--bits <x>",
    "bits per weight in the layers: linears of 8 bits are added up to it, where they help most",
    number(0),
  );
  choice("scales", SCALE_TYPES, "how weight scales are stored");
  choice("scale-constraint", SCALE_CONSTRAINTS, "weight scales are powers of two (m1), or a row's differ by powers of two (m2)");
  command.option(
    "--lorc-rank <r>",
    "rank of low-rank terms that make up for rounding, kept in f16 (default: 0, none)",
    integer(0, MAX_RANK),
  );
  choice("embedding", ["q8", "f16"], "embedding and tied head: q8 is smaller, f16 opens in transformers and vLLM (default: q8)");
  choice(
    "kv-cache",
    CACHE_SCHEMES,
    "KV cache it is made for: int8 with calibrated scales, with one per token and head, q4 in 8 bits, or floats (default: q8)",
  );
  command.optionsGroup("Equalization:");
  choice("equalize", EQUALIZATIONS, "even out the channels of inputs that follow a norm");
  command.option("--alpha <x>", "strength of lae (default: 1) or smoothquant (default: 0.5)", number(0));
  command.option(
    "--folds <list>",
    `even out channels that only two linears see: ${FOLDS.join(",")}, or none`,
    someOrNoneOf(...FOLDS),
  );
  command.optionsGroup("Transforms:");
  command
    .option(
      "--transforms <list>",
      `those of FPTQuant, before anything is decided: ${TRANSFORMS.join(",")}, or none`,
      someOrNoneOf(...TRANSFORMS),
    )
    .option(
      "--local-steps <n>",
      "key, value, up: steps that tune them to even out weights and activations; none without them",
      integer(0),
    );
  command.optionsGroup("Policy:");
  choice(
    "policy",
    POLICY_RULES,
    "one scale for all tokens, or one per token: by measured error, by range, or the same everywhere",
  );
  command
    .option("--v0 <range>", "range: activations up to this get a static scale as they are (default: 15)", number(0))
    .option("--v1 <range>", "range: activations from this on get a scale per token (default: 150)", number(0))
    .option("--tolerance <x>", "auto: relative output error a static scale may add (default: 0.005)", number(0))
    .option(
      "--override <name=policy>",
      "set a policy by hand, * in the name: 'model.layers.3.*=dynamic'; repeatable",
      policyOverrides,
    );
  choice(
    "ranges",
    ["absmax", ...RANGE_NORMS],
    "what a static scale covers: the largest value, or the range of least L_p error (default: absmax)",
  );
  command.optionsGroup("Rounding:");
  choice(
    "round",
    ROUNDINGS,
    "nearest code; nearest under scales of least error; GPTQ, which looks at whole activations; or learned, block by block",
  );
  choice("search", [...SEARCH_WEIGHTINGS, "none"], "search, gptq: what a scale search weights errors by");
  command
    .option("--damping <x>", "gptq: added to the Hessian's diagonal, as a share of its mean (default: 0.01)", number(0))
    .option("--act-order", "gptq: round the channels of the largest activations first")
    .option("--refine <n>", "gptq: passes of coordinate descent over scales and codes afterwards (default: 0)", integer(0));
  choice("propagate", ["float", "quantized"], "gptq: whether later layers see what float or rounded ones before give");
  command
    .option("--round-steps <n>", "autoround: steps for each block (default: 200)", integer(1))
    .optionsGroup("Distillation:")
    .option(
      "--distill-steps <n>",
      "tune norms and weight scales towards the float model's predictions, each step on a sequence behind the calibration's (default: 0, none)",
      integer(0),
    );
  choice("distill-loss", LOSSES, "divergence it lowers: Kullback-Leibler's, or Jensen and Shannon's (default: kl)");
  return command
    .option("--distill-train <list>", `what it tunes: ${TRAINABLE.join(",")} (default: norms,scales)`, someOf(...TRAINABLE))
    .option(
      "--distill-validation <n>",
      "sequences held out of the text; the step that is best on them is kept, and training ends where nothing gets better (default: 0, the last step)",
      integer(0),
    );
}

export function recipeOptions({ override, ...flags }: RecipeFlags): RecipeOptions {
  return { ...withOptionKeys<RecipeOptions>(flags, RECIPE_OPTIONS), overrides: override };
}

function policyOverrides(text: string, earlier: readonly PolicyOverride[] = []): PolicyOverride[] {
  try {
    return [...earlier, parsePolicyOverride(text)];
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}
