/** Power-of-two constraints on weight scales against their definitions. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { RecipeError } from "../../../src/errors.ts";
import { nearestScales, quantizeRows, storedScales } from "../../../src/quantizer/round/quantize-weights.ts";
import { constrainScales, type ScaleConstraint } from "../../../src/quantizer/round/scale-constraint.ts";
import { SCALE_STORAGE, SCALE_TYPES, type ScaleType } from "../../../src/quantizer/recipe/scale-type.ts";
import { mulberry32 } from "../../random.ts";
import { rowFormat } from "./row-format.ts";

const SEED = 31;
const test = suite(`scale constraints (seed ${SEED})`);
const random = mulberry32(SEED);

function constrained(scales: readonly number[], groups: number, constraint: ScaleConstraint, type: ScaleType = "f32"): number[] {
  const changed = Float32Array.from(scales);
  constrainScales(changed, groups, constraint, type);
  return [...changed];
}

test("m1: powers of two stay, all others go to the next above", () => {
  for (let exponent = -126; exponent < 127; exponent++) {
    const power = 2 ** exponent;
    const [below, above] = [Math.fround(power * (1 - 2 ** -24)), Math.fround(power * (1 + 2 ** -23))];
    assert.equal(constrained([power, below, above, 1.5 * power], 4, "m1"), [power, power, 2 * power, 2 * power]);
  }
  assert.equal(constrained([2 ** -149, 3 * 2 ** -149], 1, "m1"), [2 ** -149, 2 ** -147], "subnormals too");
});

test("m2: the largest of a row stays, the others are it over a power of two, none smaller than before and none twice as large", () => {
  assert.equal(constrained([0.7, 0.35, 0.3, 0.36], 4, "m2"), [0.7, 0.35, 0.35, 0.7].map(Math.fround));
  for (const type of SCALE_TYPES) {
    for (const groups of [1, 2, 3, 4, 7, 18]) {
      const { round } = SCALE_STORAGE[type];
      const scales = Array.from({ length: 5 * groups }, () => round(10 ** (-2 * random() - 1)));
      const changed = constrained(scales, groups, "m2", type);
      changed.forEach((step, i) => {
        const row = scales.slice(i - (i % groups), i - (i % groups) + groups);
        assert.ok(Number.isInteger(Math.log2(Math.max(...row) / step)), `${step} of ${row}`);
        assert.ok(step >= scales[i]! && step < 2 * scales[i]!, `${step} for ${scales[i]}`);
        assert.is(round(step), step);
      });
    }
  }
});

test("groups of zeros need no scale, and decide on none", () => {
  assert.equal(constrained([0, 0.25, 0.2], 3, "m2"), [0, 0.25, 0.25]);
  assert.equal(constrained([0, 0, 0.3], 3, "m1"), [0, 0, 0.5]);
  const weight = new Float32Array(64);
  weight[0] = 0.7;
  const format = rowFormat(64, 32, "int4", { constraint: "m2" });
  assert.equal([...nearestScales(weight, format)], [Math.fround(0.1), 1]);
});

test("4-bit floats: stored scales keep to it, of which the rows have half", () => {
  const weight = Float32Array.from({ length: 8 * 128 }, () => random() - 0.5);
  const stored = (constraint: ScaleConstraint) => {
    const rows = quantizeRows(weight, rowFormat(128, 32, "fp4", { scaleType: "bf16", constraint }), { tensor: "w", firstRow: 0 });
    return storedScales(rows);
  };
  const free = stored("none");
  assert.equal(
    stored("m1"),
    Float32Array.from(free, (step) => 2 ** Math.ceil(Math.log2(step))),
  );
  assert.equal(stored("m2"), Float32Array.from(constrained([...free], 4, "m2", "bf16")));
});

test("no constraint changes nothing", () => {
  assert.equal(constrained([0.3, 0.7], 2, "none"), [0.3, 0.7].map(Math.fround));
});

test("what a type cannot hold is refused with the way out", () => {
  const refused = (work: () => unknown, message: RegExp) =>
    assert.throws(work, (error: unknown) => error instanceof RecipeError && message.test(error.message));
  refused(
    () => constrained([40_000], 1, "m1", "f16"),
    /^scale constraint m1: got 65536, which scales in f16 cannot hold; need bf16 or f32$/,
  );
  // 1.0009765625 takes all bits of a float16, and among its subnormals there are fewer.
  refused(
    () => constrained([1 + 2 ** -10, 2 ** -20], 2, "m2", "f16"),
    /^scale constraint m2: got [\d.e-]+, which scales in f16 cannot hold/,
  );
});

test("weights are rounded under constrained scales: nearest to what a reader multiplies by", () => {
  const weight = Float32Array.from({ length: 8 * 64 }, () => random() - 0.5);
  for (const constraint of ["m1", "m2"] as const) {
    const { q, scale } = quantizeRows(weight, rowFormat(64, 32, "int4", { scaleType: "bf16", constraint }), {
      tensor: "w",
      firstRow: 0,
    });
    q.forEach((code, i) => {
      const step = scale[Math.floor(i / 32)]!;
      assert.ok(Math.abs(weight[i]! - code * step) <= (step / 2) * (1 + 2 ** -20), `${weight[i]} as ${code} * ${step}`);
      assert.ok(Math.abs(code) <= 7, "no scale is smaller than what covers every weight");
    });
  }
});

test.run();
