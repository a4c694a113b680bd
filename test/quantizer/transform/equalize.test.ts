import { suite } from "uvu";
import * as assert from "uvu/assert";
import { RecipeError } from "../../../src/errors.ts";
import { staticScale } from "../../../src/quantizer/decide/activation-scale.ts";
import {
  checkEqualization,
  equalizationFactors,
  equalizeColumns,
  equalizedRange,
} from "../../../src/quantizer/transform/equalize.ts";
import { divide } from "../../../src/quantizer/transform/transform.ts";
import { assertWithin, F32_EPSILON } from "../../oracle/compare.ts";
import { mulberry32, normal } from "../../random.ts";

/** A norm's tensor divided by s. */
function equalizeNorm(values: Float32Array, factors: Float32Array): Float32Array {
  const divided = values.slice();
  divide(divided, factors);
  return divided;
}

const SEED = 11;
const test = suite(`equalization (seed ${SEED})`);
const lae = (alpha: number) => ({ kind: "lae", alpha }) as const;

test("factors are Equation 1, and Equation 5 for other exponents", () => {
  const absmax = Float32Array.of(0.1, 1, 2, 14, 62, 1022);
  const expected = (alpha: number) => Array.from(absmax, (a) => a / Math.log2(2 + a) ** alpha);
  for (const alpha of [0, 0.5, 1, 2]) {
    const wanted = expected(alpha);
    assertWithin(equalizationFactors(absmax, lae(alpha))!, wanted, (i) => F32_EPSILON * wanted[i]!, `alpha ${alpha}`);
  }
  assert.is(equalizationFactors(absmax, lae(1))![4], Math.fround(62 / 6));
});

test("a channel that was never active keeps its weight, and one hardly active cannot blow up the norm", () => {
  const factors = equalizationFactors(Float32Array.of(0, 1e-30, 3), lae(1))!;
  assert.is(factors[0], 1);
  assert.is(factors[1], Math.fround(1e-5));
  assert.ok(equalizeNorm(Float32Array.of(1, 1, 1), factors).every(Number.isFinite));
});

test("nothing to equalize gives no factors", () => {
  assert.is(equalizationFactors(Float32Array.of(1, 2), { kind: "none" }), undefined);
  assert.is(equalizedRange(Float32Array.of(1, 5, 2), undefined), 5);
});

test("the equalized range is that of the equalized activation", () => {
  const absmax = Float32Array.of(0, 1, 30, 100);
  const factors = equalizationFactors(absmax, lae(1))!;
  const range = equalizedRange(absmax, factors);
  assert.ok(Math.abs(range / Math.log2(102) - 1) < 4 * F32_EPSILON, `range ${range}`);
});

test("X' W'^T = X W^T within rounding, for a norm in front", () => {
  const random = normal(mulberry32(SEED));
  const [M, N, K] = [5, 7, 64];
  const unit = Float32Array.from({ length: M * K }, random); // the normed row before the norm's weight
  const norm = Float32Array.from({ length: K }, (_, k) => (1 + 0.1 * random()) * (k % 9 === 0 ? 40 : 1));
  const weight = Float32Array.from({ length: N * K }, random);
  const absmax = Float32Array.from({ length: K }, (_, k) => {
    let high = 0;
    for (let m = 0; m < M; m++) high = Math.max(high, Math.abs(unit[m * K + k]! * norm[k]!));
    return high;
  });
  const factors = equalizationFactors(absmax, lae(1))!;
  const product = (n: Float32Array, w: Float32Array) => {
    const y = new Float64Array(M * N);
    const magnitude = new Float64Array(M * N);
    for (let i = 0; i < M * N; i++) {
      for (let k = 0; k < K; k++) {
        const term = unit[Math.floor(i / N) * K + k]! * n[k]! * w[(i % N) * K + k]!;
        y[i]! += term;
        magnitude[i]! += Math.abs(term);
      }
    }
    return { y, magnitude };
  };
  const before = product(norm, weight);
  const after = product(equalizeNorm(norm, factors), equalizeColumns(weight, factors));
  // Each term changed by one rounding of norm / s and one of w * s.
  assertWithin(after.y, before.y, (i) => 2.01 * F32_EPSILON * before.magnitude[i]!, "product");
});

test("the weight given is left as it is", () => {
  const weight = Float32Array.of(1, 2, 3, 4);
  assert.equal([...equalizeColumns(weight, Float32Array.of(2, 3))], [2, 6, 6, 12]);
  assert.equal([...weight], [1, 2, 3, 4]);
});

test("alpha must be finite", () => {
  for (const alpha of [NaN, Infinity]) {
    assert.throws(
      () => checkEqualization(lae(alpha)),
      (error: unknown) => error instanceof RecipeError && /alpha: got/.test(error.message),
    );
  }
});

test("a static scale covers its range with 127 steps, and is never 0", () => {
  assert.is(staticScale(127), 1);
  assert.is(staticScale(32), Math.fround(32 / 127));
  for (const nothing of [0, 1e-44, 2 ** -130]) assert.is(staticScale(nothing), 1);
});

test.run();
