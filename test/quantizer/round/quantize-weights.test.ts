import { suite } from "uvu";
import * as assert from "uvu/assert";
import { describeModel } from "../../../src/architecture/description.ts";
import { RecipeError } from "../../../src/errors.ts";
import { addErrors, errorStats, measureErrors, NO_ERRORS } from "../../../src/quantizer/round/error-stats.ts";
import { chooseGroupSizes, GROUP_SIZES } from "../../../src/quantizer/recipe/group-size.ts";
import { dequantizeRows, quantizeRows, storedScales } from "../../../src/quantizer/round/quantize-weights.ts";
import { SCALE_STORAGE, type ScaleType } from "../../../src/quantizer/recipe/scale-type.ts";
import { nearestCode } from "../../oracle/code-grid.ts";
import { roundHalfEven } from "../../oracle/round-half-even.ts";
import { mulberry32, normal } from "../../random.ts";
import { tinyConfig } from "../../tiny-model.ts";
import { rowFormat } from "./row-format.ts";

const SEED = 13;
const test = suite(`weights to integers (seed ${SEED})`);
const ORIGIN = { tensor: "w", firstRow: 0 };
const throwsRecipe = (work: () => unknown, message: RegExp) =>
  assert.throws(work, (error: unknown) => error instanceof RecipeError && message.test(error.message));

for (const bits of [4, 8] as const) {
  test(`int${bits}: every size, scale and code follow the definition`, () => {
    const random = normal(mulberry32(SEED + bits));
    const top = 2 ** (bits - 1) - 1;
    for (const rows of [1, 2, 5]) {
      for (const [K, G] of [
        [32, 32],
        [64, 32],
        [128, 128],
        [192, 64],
        [576, 64],
        [576, 576],
      ] as const) {
        const weight = Float32Array.from({ length: rows * K }, () => random() * 10 ** Math.round(random()));
        const { q, scale } = quantizeRows(weight, rowFormat(K, G, `int${bits}`), ORIGIN);
        for (let group = 0; group < (rows * K) / G; group++) {
          const values = weight.subarray(group * G, (group + 1) * G);
          assert.is(scale[group], Math.fround(Math.max(...values.map(Math.abs)) / top));
          values.forEach((value, i) => {
            const code = Math.min(top, Math.max(-top - 1, roundHalfEven(Math.fround(value / scale[group]!))));
            assert.is(q[group * G + i], code === 0 ? 0 : code, `value ${value} of group ${group}`);
          });
        }
      }
    }
  });
}

test("fp4: every size, scale and code follow the definition, whatever scales are stored as", () => {
  const random = normal(mulberry32(SEED + 2));
  for (const [K, G] of [[32, 32], [64, 32], [192, 64], [576, 576]] as const) {
    for (const scaleType of ["f32", "bf16", "f16"] as const) {
      const weight = Float32Array.from({ length: 3 * K }, () => random() * 10 ** Math.round(random()));
      const rows = quantizeRows(weight, rowFormat(K, G, "fp4", { scaleType }), ORIGIN);
      const stored = storedScales(rows);
      const { round } = SCALE_STORAGE[scaleType];
      for (let group = 0; group < (3 * K) / G; group++) {
        const values = weight.subarray(group * G, (group + 1) * G);
        assert.is(stored[group], round(Math.fround(Math.max(...values.map(Math.abs)) / 6)));
        values.forEach((value, i) => {
          const expected = nearestCode(2 * Math.fround(value / stored[group]!), 12);
          assert.is(rows.q[group * G + i]! + 0, expected + 0, `value ${value} of group ${group}`);
        });
      }
    }
  }
}); // prettier-ignore

test("fp4: ties go to the even code, and both ends are reached", () => {
  const weight = new Float32Array(32);
  const ties = [6, 0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5, -6, -0.25, -0.75, -1.25, -1.75, -2.5, -3.5, -5];
  weight.set(ties);
  const { q } = quantizeRows(weight, rowFormat(32, 32, "fp4"), ORIGIN);
  const doubled = [12, 0, 2, 2, 4, 4, 8, 8];
  assert.equal([...q.subarray(0, 16)].map((code) => code + 0), [...doubled, ...doubled.map((code) => 0 - code)]); // prettier-ignore
});

test("fp4: a scale its storage cannot hold is refused, and one it can is not", () => {
  const rows = (scale: number, scaleType: ScaleType) => ({ ...rowFormat(32, 32, "fp4", { scaleType }), rows: 1, q: new Int8Array(32), scale: Float32Array.of(scale) });
  throwsRecipe(() => storedScales(rows(40000, "f16")), /f16: got 80000, which is above their range; need bf16/);
  assert.equal([...storedScales(rows(40000, "bf16"))], [80000]);
  assert.equal([...storedScales(rows(30000, "f16"))], [60000]);
}); // prettier-ignore

test("ties go to the even code", () => {
  const weight = new Float32Array(32);
  weight.set([7, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 6.5, -6.5]);
  assert.equal([...quantizeRows(weight, rowFormat(32, 32, "int4"), ORIGIN).q.subarray(0, 9)], [7, 0, 2, 2, 0, -2, -2, 6, -6]);
});

test("a group of zeros, and one too small for its scale, get scale 1 and codes 0", () => {
  for (const value of [0, -0, 2 ** -149]) {
    const { q, scale } = quantizeRows(new Float32Array(32).fill(value), rowFormat(32, 32, "int4"), ORIGIN);
    assert.is(scale[0], 1);
    assert.ok(q.every((code) => code === 0));
  }
});

test("subnormal and huge weights stay within the codes and give finite values", () => {
  const random = mulberry32(SEED);
  for (const magnitude of [2 ** -147, 2 ** -140, 2 ** -126, 2 ** 127]) {
    const weight = Float32Array.from({ length: 64 }, () => (random() * 2 - 1) * magnitude);
    const quantized = quantizeRows(weight, rowFormat(64, 64, "int4"), ORIGIN);
    assert.ok(quantized.q.every((code) => code >= -8 && code <= 7));
    assert.ok(dequantizeRows(quantized).every(Number.isFinite));
  }
});

test("NaN and infinity are refused with tensor, row and column", () => {
  for (const bad of [NaN, Infinity, -Infinity]) {
    for (const index of [0, 31, 32, 100, 191]) {
      const weight = new Float32Array(192).fill(3);
      weight[index] = bad;
      const where = new RegExp(String.raw`^blk\.w: got ${bad} at \[${40 + Math.floor(index / 64)}, ${index % 64}\]`);
      throwsRecipe(() => quantizeRows(weight, rowFormat(64, 32, "int4"), { tensor: "blk.w", firstRow: 40 }), where);
    }
  }
});

test("dequantized values are within half a step, and quantizing them again changes nothing", () => {
  const random = normal(mulberry32(SEED));
  const weight = Float32Array.from({ length: 4 * 256 }, random);
  const quantized = quantizeRows(weight, rowFormat(256, 128, "int4"), ORIGIN);
  const restored = dequantizeRows(quantized);
  restored.forEach((value, i) => {
    const step = quantized.scale[Math.floor(i / 128)]!;
    // Half a step, and the rounding of the division and the product: 2^-24 of at most 8 steps each.
    assert.ok(Math.abs(value - weight[i]!) <= step * (0.5 + 16 * 2 ** -24), `${value} for ${weight[i]}`);
  });
  const again = quantizeRows(restored, rowFormat(256, 128, "int4"), ORIGIN);
  assert.equal(again.q, quantized.q);
});

const roundingErrors = (part: Float32Array) => measureErrors(part, quantizeRows(part, rowFormat(64, 32, "int4"), ORIGIN));

test("error sums of blocks add up to those of the whole", () => {
  const random = normal(mulberry32(SEED));
  const weight = Float32Array.from({ length: 8 * 64 }, () => Math.round(random() * 64) / 64);
  const halves = addErrors(roundingErrors(weight.subarray(0, 256)), roundingErrors(weight.subarray(256)));
  const whole = roundingErrors(weight);
  assert.is(halves.count, 512);
  assert.is(halves.maxAbsError, whole.maxAbsError);
  assert.is(halves.roundedToZero, whole.roundedToZero);
  assert.ok(Math.abs(halves.noise / whole.noise - 1) < 1e-12);
  assert.equal(addErrors(NO_ERRORS, whole), whole);
});

test("error figures of a case done by hand", () => {
  const weight = new Float32Array(32);
  weight.set([7, 0.25, -2.5]); // scale 1: codes 7, 0, -2
  const stats = errorStats(measureErrors(weight, quantizeRows(weight, rowFormat(32, 32, "int4"), ORIGIN)));
  const [signal, noise] = [49 + 0.0625 + 6.25, 0.0625 + 0.25];
  assert.is(stats.nmse, noise / signal);
  assert.is(stats.sqnrDb, 10 * Math.log10(signal / noise));
  assert.is(stats.maxAbsError, 0.5);
  assert.is(stats.roundedToZero, 1 / 32);
});

test("a weight of zeros has no error and no infinity in its JSON", () => {
  const weight = new Float32Array(32);
  const stats = errorStats(measureErrors(weight, quantizeRows(weight, rowFormat(32, 32, "int4"), ORIGIN)));
  assert.equal(stats, { nmse: 0, sqnrDb: null, maxAbsError: 0, roundedToZero: 0 });
  assert.equal(errorStats(NO_ERRORS), stats);
});

test("the group size is the largest that divides, per input", () => {
  const smol = { ...tinyConfig(), hiddenSize: 576, heads: 9, headDim: 64, ffnSize: 1536 };
  assert.equal(chooseGroupSizes(describeModel(smol), "auto"), { qkv: 64, o: 64, up: 64, down: 128 });
  assert.equal(chooseGroupSizes(describeModel(smol), 32), { qkv: 32, o: 32, up: 32, down: 32 });
  assert.is(chooseGroupSizes(describeModel({ ...smol, heads: 3, headDim: 32 }), "auto").o, 32);
});

test("a group size that does not divide is refused with linear, in_features and what divides", () => {
  const smol = { ...tinyConfig(), hiddenSize: 576, heads: 9, headDim: 64, ffnSize: 1536 };
  throwsRecipe(
    () => chooseGroupSizes(describeModel(smol), 128),
    /group size 128 does not divide: model\.layers\.\*\.self_attn\.q_proj.* has 576 in_features; these divide: 64, 32/,
  );
  for (const size of ["auto", ...GROUP_SIZES] as const) {
    throwsRecipe(
      () => chooseGroupSizes(describeModel({ ...smol, ffnSize: 1540 }), size),
      /down_proj has 1540 in_features; none of 128, 64, 32 divides it, need "channel"|q_proj/,
    );
  }
});

test.run();
