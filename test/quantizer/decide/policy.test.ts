import { suite } from "uvu";
import * as assert from "uvu/assert";
import { RecipeError } from "../../../src/errors.ts";
import { describeModel, type InputName } from "../../../src/architecture/description.ts";
import { analyzeInputs } from "../../../src/quantizer/decide/analyze-inputs.ts";
import {
  checkOverrides,
  PAPER_THRESHOLDS,
  parsePolicyName,
  parsePolicyOverride,
  policyName,
  type PolicyOverride,
  type PolicyRule,
  selectPolicies,
  selectPolicy,
} from "../../../src/quantizer/decide/policy.ts";
import { tinyConfig } from "../../tiny-model.ts";
import { statsOf } from "../calibrate/channel-stats.ts";

const test = suite("policy");
const PAPER: PolicyRule = { kind: "range", ...PAPER_THRESHOLDS };
const nameOf = (rule: PolicyRule, input: InputName, range: number, equalizes = true) =>
  policyName(selectPolicy(rule, { input, range, followsNorm: input === "qkv" || input === "up" }, equalizes), "lae");
const throwsRecipe = (work: () => unknown, message: RegExp) =>
  assert.throws(work, (error: unknown) => error instanceof RecipeError && message.test(error.message));

// Rows of the paper's Table 2, and both sides of each threshold.
for (const [input, range, expected] of [
  ["qkv", 0, "static"],
  ["qkv", 15, "static"],
  ["qkv", 15.01, "lae+static"],
  ["qkv", 149.9, "lae+static"],
  ["qkv", 150, "dynamic"],
  ["up", 14, "static"],
  ["up", 31.6, "lae+static"],
  ["up", 150.1, "dynamic"],
  ["o", 11, "static"],
  ["o", 60, "static"],
  ["o", 149.9, "static"],
  ["o", 150, "dynamic"],
  ["down", 9, "static"],
  ["down", 15, "static"],
  ["down", 38, "dynamic"],
  ["down", 3384.7, "dynamic"],
] as const) {
  test(`${input} with range ${range} is ${expected}`, () => assert.is(nameOf(PAPER, input, range), expected));
}

// Table 8 under Table 2: what the paper does to the four models it shows.
for (const [model, ranges] of [
  ["OPT-66B", { qkv: 94.87, o: 16.45, up: 94.81, down: 34 }],
  ["BLOOM-176B", { qkv: 97.31, o: 17.07, up: 119.8, down: 71 }],
  ["GLM-130B", { qkv: 115.1, o: 19.39, up: 124.5, down: 5476 }],
  ["LLaMA-65B", { qkv: 22.51, o: 17.4, up: 27.07, down: 887.5 }],
] as const) {
  test(`${model}: QKV and FC1 equalized, Dense static, FC2 per token`, () => {
    const names = (["qkv", "o", "up", "down"] as const).map((input) => nameOf(PAPER, input, ranges[input]));
    assert.equal(names, ["lae+static", "static", "lae+static", "dynamic"]);
  });
}

test("a uniform rule looks at no range, and equalizes what follows a norm if the recipe does", () => {
  for (const activations of ["static", "dynamic", "none"] as const) {
    for (const range of [0, 20, 1e9]) {
      const rule = { kind: "uniform", activations } as const;
      assert.is(nameOf(rule, "qkv", range, false), activations);
      assert.is(nameOf(rule, "qkv", range, true), `lae+${activations}`);
      assert.is(nameOf(rule, "down", range, true), activations);
    }
  }
});

test("a rule by measured error begins with a static scale", () => {
  assert.is(nameOf({ kind: "auto", tolerance: 0.1 }, "up", 1e9, true), "lae+static");
  throwsRecipe(() => table({ kind: "auto", tolerance: -1 }), /tolerance: got -1/);
});

test("the name of a policy says what equalizes", () => {
  for (const method of ["lae", "smoothquant", "awq"] as const) {
    assert.is(policyName({ kind: "static", equalize: true }, method), `${method}+static`);
    assert.equal(parsePolicyName(`${method}+static`), { kind: "static", equalize: true, method });
  }
  assert.equal(parsePolicyName("dynamic"), { kind: "dynamic", equalize: false, method: "none" });
});

test("a range that is no range is refused by name", () => {
  for (const rule of [PAPER, { kind: "uniform", activations: "static" } as const]) {
    for (const bad of [NaN, Infinity, -1])
      throwsRecipe(() => selectPolicy(rule, { input: "down", range: bad, followsNorm: false }, true), /range of down: got/);
  }
});

const input = (absmax: number): Record<InputName, number[]> => ({
  qkv: [absmax],
  o: [absmax],
  up: [absmax],
  down: [absmax],
});
const analysis = analyzeInputs(describeModel(tinyConfig()), statsOf([input(1), input(20), input(300)]), { kind: "none" });
function table(rule: PolicyRule, overrides: PolicyOverride[] = []) {
  checkOverrides(
    analysis.map(({ name }) => name),
    overrides,
  );
  return Object.fromEntries(selectPolicies(analysis, rule, overrides).map((row) => [row.name, policyName(row.policy, "lae")]));
}

test("the table has every layer input with its range and policy", () => {
  const rows = selectPolicies(analysis, PAPER);
  assert.is(rows.length, 12);
  assert.equal(rows[5], {
    name: "model.layers.1.o",
    layer: 1,
    input: "o",
    range: 20,
    policy: { kind: "static", equalize: false },
    override: undefined,
  });
  assert.is(table(PAPER)["model.layers.1.qkv"], "lae+static");
  assert.is(table(PAPER)["model.layers.2.up"], "dynamic");
});

test("thresholds in the wrong order or out of their domain are refused", () => {
  throwsRecipe(() => table({ kind: "range", v0: 20, v1: 10 }), /v0 = 20 above v1 = 10/);
  throwsRecipe(() => table({ kind: "range", v0: -1, v1: 10 }), /v0: got -1/);
  throwsRecipe(() => table({ kind: "range", v0: 1, v1: NaN }), /v1: got NaN/);
});

test("an override sets the inputs its pattern matches, and no others", () => {
  const changed = table(PAPER, [parsePolicyOverride("model.layers.0.*=dynamic"), parsePolicyOverride("*.qkv=static")]);
  assert.equal(
    [0, 1, 2].map((layer) => changed[`model.layers.${layer}.qkv`]),
    ["static", "static", "static"],
    "the later override wins",
  );
  assert.is(changed["model.layers.0.down"], "dynamic");
  assert.is(changed["model.layers.1.o"], table(PAPER)["model.layers.1.o"]);
  const rows = selectPolicies(analysis, PAPER, [parsePolicyOverride("*.2.down=static")]);
  assert.equal(
    rows.filter((row) => row.override !== undefined).map((row) => [row.name, row.override]),
    [["model.layers.2.down", "*.2.down"]],
  );
});

test("a dot in a pattern is a dot, and a pattern covers the whole name", () => {
  throwsRecipe(() => table(PAPER, [{ pattern: "modelXlayers.0.qkv", policy: "static" }]), /matches no linear input/);
  throwsRecipe(() => table(PAPER, [{ pattern: "layers.0.qkv", policy: "static" }]), /matches no linear input/);
  throwsRecipe(() => table(PAPER, [{ pattern: "model.layers.(0|1).qkv", policy: "static" }]), /matches no linear input/);
});

test("an override that matches nothing is refused, and says what there is", () => {
  throwsRecipe(
    () => table(PAPER, [parsePolicyOverride("model.layers.3.*=dynamic")]),
    /"model\.layers\.3\.\*" matches no linear input; names run from model\.layers\.0\.qkv to model\.layers\.2\.down/,
  );
});

test("equalizing an input without a norm before it is refused", () => {
  throwsRecipe(() => table(PAPER, [parsePolicyOverride("*=lae+static")]), /model\.layers\.0\.o follows no norm/);
  assert.is(table(PAPER, [parsePolicyOverride("*.qkv=lae+dynamic")])["model.layers.0.qkv"], "lae+dynamic");
});

test("an override that cannot be read is refused", () => {
  for (const bad of ["", "dynamic", "=dynamic"]) throwsRecipe(() => parsePolicyOverride(bad), /need PATTERN=POLICY/);
  throwsRecipe(
    () => parsePolicyOverride("*=fast"),
    /got policy "fast", need static, dynamic, none, or one of them after lae\+, smoothquant\+, awq\+/,
  );
  throwsRecipe(() => parsePolicyOverride("*=constructor"), /got policy "constructor"/);
});

test.run();
