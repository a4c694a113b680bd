import { suite } from "uvu";
import * as assert from "uvu/assert";
import { RecipeError } from "../../../src/errors.ts";
import { parsePolicyOverride } from "../../../src/quantizer/decide/policy.ts";
import type { RecipeOptions } from "../../../src/quantizer/recipe/recipe-options.ts";
import { resolveRecipe } from "../../../src/quantizer/recipe/resolve-recipe.ts";
import type { Recipe } from "../../../src/quantizer/recipe/recipe.ts";
import { GPTQ_DEFAULTS } from "../../../src/quantizer/recipe/rounding-method.ts";
import { RECIPE_NAMES } from "../../../src/quantizer/recipe/recipe-presets.ts";

const test = suite("recipe");
const throwsRecipe = (work: () => unknown, message: RegExp) =>
  assert.throws(work, (error: unknown) => error instanceof RecipeError && message.test(error.message));

test("fptq with the paper's numbers is the default", () => {
  const recipe = resolveRecipe();
  assert.is(recipe.name, "fptq");
  assert.equal(recipe.policy, { kind: "range", v0: 15, v1: 150 });
  assert.equal(recipe.equalize, { kind: "lae", alpha: 1 });
  assert.is(recipe.groupSize, "auto");
});

test("every stage can be chosen on its own, and leaves the others", () => {
  const base = resolveRecipe("fptq");
  const choices: readonly [RecipeOptions, Partial<Recipe>][] = [
    [{ equalize: "smoothquant" }, { equalize: { kind: "smoothquant", alpha: 0.5 } }],
    [{ equalize: "none" }, { equalize: { kind: "none" } }],
    [{ policy: "static" }, { policy: { kind: "uniform", activations: "static" } }],
    [{ policy: "auto", tolerance: 0.3 }, { policy: { kind: "auto", tolerance: 0.3 } }],
    [{ round: "search" }, { round: { kind: "search", weighting: "hessian" } }],
    [{ round: "gptq", damping: 0.1 }, { round: { ...GPTQ_DEFAULTS, damping: 0.1 } }],
    [{ weights: "int8" }, { weights: "int8", groupSize: "channel" }],
    [{ activations: "none" }, { activations: "none", policy: { kind: "uniform", activations: "none" } }],
    [{ scaleConstraint: "m1" }, { scaleConstraint: "m1" }],
    [{ activations: "fp8" }, { activations: "fp8", policy: { kind: "uniform", activations: "dynamic" } }],
    [
      { activations: "fp8-e5m2", policy: "dynamic" },
      { activations: "fp8-e5m2", policy: { kind: "uniform", activations: "dynamic" } },
    ],
    [
      { groupSize: 32, scales: "f16" },
      { groupSize: 32, scales: "f16" },
    ],
  ];
  for (const [options, expected] of choices) assert.equal(resolveRecipe("fptq", options), { ...base, ...expected });
  assert.equal(resolveRecipe("smoothquant", { weights: "int4" }).groupSize, "auto");
  assert.equal(resolveRecipe("gptq", { activations: "int8" }).policy, { kind: "uniform", activations: "dynamic" });
});

test("zeroquant-fp: 4-bit float weights, 8-bit float activations with a scale per token, its constraints and other activations on request", () => {
  const recipe = resolveRecipe("zeroquant-fp");
  assert.is(recipe.weights, "fp4");
  assert.is(recipe.activations, "fp8");
  assert.equal(recipe.policy, { kind: "uniform", activations: "dynamic" });
  assert.equal(recipe.round, GPTQ_DEFAULTS);
  assert.is(recipe.scaleConstraint, "none");
  for (const scaleConstraint of ["m1", "m2"] as const) {
    assert.equal(resolveRecipe("zeroquant-fp", { scaleConstraint }), { ...recipe, scaleConstraint });
  }
  assert.equal(resolveRecipe("zeroquant-fp", { activations: "fp8-e5m2" }), { ...recipe, activations: "fp8-e5m2" });
  assert.equal(resolveRecipe("zeroquant-fp", { activations: "int8", policy: "static" }).policy, {
    kind: "uniform",
    activations: "static",
  });
});

test("every preset is plain data", () => {
  for (const name of RECIPE_NAMES) {
    const recipe = resolveRecipe(name);
    assert.equal(JSON.parse(JSON.stringify(recipe)), recipe);
    assert.is(recipe.name, name);
  }
});

test("options change what they name and nothing else", () => {
  assert.equal(resolveRecipe("fptq", { v0: 0 }).policy, { kind: "range", v0: 0, v1: 150 });
  assert.equal(resolveRecipe("fptq", { alpha: 0.5 }).equalize, { kind: "lae", alpha: 0.5 });
  assert.equal(resolveRecipe("rtn", { groupSize: 64 }), { ...resolveRecipe("rtn"), groupSize: 64 });
  assert.equal(resolveRecipe("fptq", { embedding: "f16" }), { ...resolveRecipe(), embedding: "f16" });
  assert.equal(resolveRecipe("fptq", { ranges: "absmax" }), resolveRecipe());
  assert.equal(resolveRecipe("fptq", { ranges: "l4" }), { ...resolveRecipe(), ranges: "l4" });
  assert.equal(resolveRecipe("fptq", { kvCache: "f32", v1: undefined }), { ...resolveRecipe(), kvCache: "f32" });
});

for (const [name, options, message] of [
  ["gptq2", {}, /recipe: got "gptq2", need one of fptq, fptq\+gptq, /],
  ["toString", {}, /need one of/],
  ["rtn", { v0: 15 }, /recipe "rtn" has no thresholds under policy "dynamic"/],
  ["rtn", { alpha: 1 }, /recipe "rtn" does not equalize/],
  ["rtn", { overrides: [parsePolicyOverride("*.qkv=lae+static")] }, /recipe "rtn" does not equalize/],
  ["fptq", { ranges: "l5" as "l4" }, /ranges: got "l5", need one of absmax, l2, l3, l4/],
  ["rtn", { ranges: "l2", kvCache: "q8t" }, /ranges l2: no input and no cache of this recipe has a static scale/],
  ["gptq", { ranges: "l2", kvCache: "f32" }, /ranges l2: no input and no cache of this recipe has a static scale/],
  ["fptq", { v0: 200 }, /v0 = 200 above v1 = 150/],
  ["fptq", { v0: NaN }, /v0: got NaN/],
  ["fptq", { alpha: Infinity }, /alpha: got Infinity/],
  ["fptq", { groupSize: 96 }, /group size: got 96, need one of 32, 64, 128, channel/],
  ["fptq", { policy: "best" as "auto" }, /policy: got "best", need one of auto, range, static, dynamic/],
  ["fptq", { weights: "fp8" as "fp4" }, /weights: got "fp8", need one of int4, int4m, keep, fp4, int8/],
  ["fptq", { activations: "none", policy: "static" }, /policy static: activations are left in float/],
  ["fptq", { activations: "none", v0: 3 }, /policy range: activations are left in float/],
  ["rtn", { scaleConstraint: "m3" as "m1" }, /scaleConstraint: got "m3", need one of none, m1, m2/],
  ["rtn", { scaleConstraint: "m1", round: "search" }, /scale constraint m1: rounding "search" searches scales of least error/],
  ["gptq", { scaleConstraint: "m2", search: "hessian" }, /scale constraint m2: rounding "gptq" searches scales/],
  ["fptq-best", { scaleConstraint: "m1", search: "none" }, /scale constraint m1: refining changes scales/],
  [
    "rtn",
    { scaleConstraint: "m2", groupSize: "channel" },
    /scale constraint m2: .* with group size "channel" a row has one; use m1/,
  ],
  ["smoothquant", { scaleConstraint: "m2" }, /scale constraint m2: .* a row has one; use m1/],
  ["zeroquant-fp", { policy: "static" }, /policy static: fp8 activations have a scale per token/],
  ["zeroquant-fp", { scaleConstraint: "m1", search: "pivots" }, /scale constraint m1: rounding "gptq" searches scales/],
  ["fptq", { activations: "fp8", policy: "static" }, /policy static: fp8 activations have a scale per token and no other/],
  ["fptq", { activations: "fp8-e5m2", policy: "auto" }, /policy auto: fp8-e5m2 activations have a scale per token/],
  ["fptq", { activations: "fp8", v1: 100 }, /policy range: fp8 activations have a scale per token/],
  ["fptq", { activations: "fp8", policy: "dynamic", tolerance: 1 }, /policy auto: fp8 activations have a scale per token/],
  [
    "rtn",
    { activations: "fp8", overrides: [parsePolicyOverride("*.o=static")] },
    /"\*\.o=static": fp8 activations have a scale per token/,
  ],
  ["rtn", { activations: "fp4" as "fp8" }, /activations: got "fp4", need one of int8, int4, fp8, fp8-e5m2, none/],
  ["rtn", { activations: "int4", policy: "dynamic" }, /policy dynamic: int4 activations have one calibrated scale and no other/],
  ["fptquant-w4a4", { lorcRank: 4 }, /lorcRank: got 4 with int4 activations/],
  [
    "rtn",
    { activations: "int4", overrides: [parsePolicyOverride("*.down=dynamic")] },
    /int4 activations have one calibrated scale and no other; use static or none/,
  ],
  ["gptq", { overrides: [parsePolicyOverride("*.down=dynamic")] }, /activations are left in float/],
  ["fptq", { tolerance: 0.1 }, /tolerance: policy "range" measures nothing/],
  ["fptq", { equalize: "awq" }, /equalize awq: policy "range" equalizes by range only/],
  ["awq", { alpha: 0.5 }, /recipe "awq" searches its equalization/],
  ["smoothquant", { alpha: 1.5 }, /alpha: got 1.5, need a number from 0 to 1/],
  ["smoothquant", { groupSize: 64 }, /group size: got 64, but int8 weights have one scale per channel/],
  ["smoothquant", { overrides: [parsePolicyOverride("*.qkv=lae+static")] }, /recipe "smoothquant" equalizes by smoothquant/],
  ["fptq", { search: "uniform" }, /search: rounding "nearest" takes its scales from the largest weights/],
  ["fptq", { round: "search", search: "pivots" }, /search: got "pivots", need uniform or hessian/],
  ["fptq", { round: "search", damping: 0.1 }, /damping: rounding "search" has none; "gptq" does/],
  ["fptq", { actOrder: true }, /actOrder: rounding "nearest" has none/],
  ["gptq", { damping: -1 }, /damping: got -1/],
  ["gptq", { refine: 1.5 }, /refine: got 1.5/],
  ["gptq", { actOrder: true, search: "pivots" }, /act-order .* pivots/],
  ["fptq", { scales: "f8" as "f16" }, /scales: got "f8", need one of bf16, f16, f32/],
  ["fptq", { embedding: "q4" as "q8" }, /embedding: got "q4", need one of q8, f16/],
] as const satisfies readonly (readonly [string, RecipeOptions, RegExp])[]) {
  test(`${name} with ${JSON.stringify(options)} is refused`, () => throwsRecipe(() => resolveRecipe(name, options), message));
}

test.run();
