import { suite } from "uvu";
import * as assert from "uvu/assert";
import { RecipeError } from "../../src/errors.ts";
import { parsePolicyOverride } from "../../src/quantizer/policy.ts";
import { RECIPE_NAMES, type RecipeOptions, resolveRecipe } from "../../src/quantizer/recipe.ts";

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
  assert.equal(resolveRecipe("fptq", { kvCache: "f32", v1: undefined }), { ...resolveRecipe(), kvCache: "f32" });
});

for (const [name, options, message] of [
  ["gptq2", {}, /recipe: got "gptq2", need one of fptq, rtn/],
  ["toString", {}, /need one of/],
  ["rtn", { v0: 15 }, /recipe "rtn" has no thresholds/],
  ["rtn", { alpha: 1 }, /recipe "rtn" does not equalize/],
  ["rtn", { overrides: [parsePolicyOverride("*.qkv=lae+static")] }, /recipe "rtn" does not equalize/],
  ["fptq", { v0: 200 }, /v0 = 200 above v1 = 150/],
  ["fptq", { v0: NaN }, /v0: got NaN/],
  ["fptq", { alpha: Infinity }, /alpha: got Infinity/],
  ["fptq", { groupSize: 96 }, /group size: got 96, need one of 32, 64, 128/],
  ["fptq", { embedding: "q4" as "q8" }, /embedding: got "q4", need one of q8, f16/],
] as const satisfies readonly (readonly [string, RecipeOptions, RegExp])[]) {
  test(`${name} with ${JSON.stringify(options)} is refused`, () => throwsRecipe(() => resolveRecipe(name, options), message));
}

test.run();
