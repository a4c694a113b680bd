/**
 * GPTQ and what it is made of, between recipe and kernels: order of columns, scales, damping, output errors.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { RecipeError } from "../../../src/errors.ts";
import { activationErrors } from "../../../src/quantizer/decide/activation-error.ts";
import { searchFactors } from "../../../src/quantizer/transform/awq.ts";
import { equalizeColumns } from "../../../src/quantizer/transform/equalize.ts";
import { GptqRounder, roundingOrder } from "../../../src/quantizer/round/gptq.ts";
import { expandHessian, factorHessian, type Hessian, HessianObservers } from "../../../src/quantizer/calibrate/hessian.ts";
import { OutputError } from "../../../src/quantizer/round/output-error.ts";
import { dequantizeRows, type QuantizedRows, quantizeRows } from "../../../src/quantizer/round/quantize-weights.ts";
import { refineRows } from "../../../src/quantizer/round/refine.ts";
import { GPTQ_DEFAULTS, type GptqMethod } from "../../../src/quantizer/recipe/rounding-method.ts";
import { plainGptq, quadraticForm } from "../../oracle/gptq.ts";
import { mulberry32, normal } from "../../random.ts";
import { rowFormat } from "./row-format.ts";
import { roundingMemory } from "./rounding-memory.ts";

const SEED = 73;
const random = normal(mulberry32(SEED));
const test = suite(`GPTQ (seed ${SEED})`);
const ORIGIN = { tensor: "w", firstRow: 0 };
const [K, TOKENS] = [64, 200];

/** f32[TOKENS, K]: channels of very different size that move together. */
const X = (() => {
  const size = Array.from({ length: K }, () => Math.exp(random()));
  const rows = Array.from({ length: TOKENS }, () => [random(), ...size.map((s) => s * random())]);
  return Float32Array.from(rows.flatMap(([shared, ...row]) => row.map((value, k) => value + size[k]! * shared!)));
})();

function hessianOf(x: Float32Array): Hessian {
  const gram = new Float64Array(K * K);
  for (let m = 0; m < x.length; m += K) {
    for (let i = 0; i < K; i++) for (let j = i; j < K; j++) gram[i * K + j]! += x[m + i]! * x[m + j]!;
  }
  return { name: "model.layers.0.qkv", K, tokens: x.length / K, gram };
}

/** Mean over tokens, both triangles, equalized. */
function full({ gram, tokens }: Hessian, factors?: Float32Array): Float64Array {
  return gram.map((_, ij) => {
    const [i, j] = [Math.floor(ij / K), ij % K];
    return gram[i < j ? i * K + j : j * K + i]! / tokens / ((factors?.[i] ?? 1) * (factors?.[j] ?? 1));
  });
}

const HESSIAN = hessianOf(X);
const WEIGHT = Float32Array.from({ length: 11 * K }, () => 0.1 * random());
const FACTORS = Float32Array.from({ length: K }, () => Math.exp(0.5 * random()));
const memory = await roundingMemory(K);
const { kernels, regions } = memory;

/** Sum over rows of e H e^T, from the definition. */
function outputError(weight: Float32Array, rows: QuantizedRows, h: Float64Array): number {
  const e = dequantizeRows(rows).map((value, i) => weight[i]! - value);
  let sum = 0;
  for (let row = 0; row < e.length; row += K) sum += quadraticForm(e.subarray(row, row + K), h, K);
  return sum;
}

const round = (method: Partial<GptqMethod>, weight: Float32Array = WEIGHT, G = 32, factors?: Float32Array, hessian = HESSIAN) =>
  new GptqRounder(memory, { ...hessian, factors }, { ...GPTQ_DEFAULTS, ...method }).round(
    weight,
    rowFormat(K, G, "int4"),
    ORIGIN,
  );

test("columns come in order, or by activation with earlier ones first among equals; the last position is rounded first", () => {
  const diagonal = Float64Array.of(1, 5, 3, 5, 0);
  assert.equal([...roundingOrder(diagonal, false)], [4, 3, 2, 1, 0]);
  assert.equal([...roundingOrder(diagonal, true)], [4, 0, 2, 3, 1]);
});

for (const actOrder of [false, true]) {
  test(`scales to the largest weight, act-order ${actOrder}: codes are those of the paper's algorithm, columns where they belong`, () => {
    for (const factors of [undefined, FACTORS]) {
      const weight = factors ? equalizeColumns(WEIGHT, factors) : WEIGHT;
      const damped = full(HESSIAN, factors);
      const diagonal = Float64Array.from({ length: K }, (_, k) => damped[k * K + k]!);
      const added = (0.01 * diagonal.reduce((sum, value) => sum + value)) / K;
      for (let k = 0; k < K; k++) damped[k * K + k]! += added;
      const order = [...roundingOrder(diagonal, actOrder)].toReversed();
      const found = round({ actOrder }, weight, 32, factors);
      const nearest = quantizeRows(weight, rowFormat(K, 32, "int4"), ORIGIN);
      assert.equal(found.scale, nearest.scale);
      for (let row = 0; row < weight.length; row += K) {
        const scaleOf = (column: number) => nearest.scale[(row + column) >> 5]!;
        const { codes } = plainGptq(weight.subarray(row, row + K), damped, K, order, 7, scaleOf);
        assert.equal([...found.q.subarray(row, row + K)], codes.map((q) => q + 0)); // prettier-ignore
      }
    }
  });
}

test("on the same Hessian GPTQ leaves less at the output than nearest, search less than none, refinement less than either", () => {
  for (const G of [32, 64]) {
    const h = full(HESSIAN);
    const nearest = outputError(WEIGHT, quantizeRows(WEIGHT, rowFormat(K, G, "int4"), ORIGIN), h);
    const plain = outputError(WEIGHT, round({}, WEIGHT, G), h);
    assert.ok(plain < nearest, `${plain} against ${nearest}`);
    for (const search of ["uniform", "hessian", "pivots"] as const) {
      const method = { search };
      const rounded = round(method, WEIGHT, G);
      const searched = outputError(WEIGHT, rounded, h);
      assert.ok(searched < plain, `search ${search}, G=${G}: ${searched} against ${plain}`);
      expandHessian(memory, HESSIAN, 0);
      const refined = outputError(WEIGHT, refineRows(memory, WEIGHT, { ...rounded, scaleType: "bf16" }, 2), h);
      assert.ok(refined < searched, `refined, G=${G}: ${refined} against ${searched}`);
    }
  }
});

test("a Hessian of independent channels leaves round to nearest", () => {
  const gram = HESSIAN.gram.map((value, ij) => (ij % (K + 1) === 0 ? value : 0));
  for (const actOrder of [false, true]) {
    const found = round({ actOrder }, WEIGHT, 32, undefined, { ...HESSIAN, gram });
    const nearest = quantizeRows(WEIGHT, rowFormat(K, 32, "int4"), ORIGIN);
    assert.equal(found.q, nearest.q);
  }
});

test("a singular Hessian is damped, more if need be; one that no damping helps is an error that names the input", () => {
  const few = hessianOf(X.subarray(0, 3 * K)); // rank 3 of 64
  const columns = roundingOrder(new Float64Array(K), false);
  const silent = { ...HESSIAN, gram: new Float64Array(K * K) };
  for (const hessian of [few, silent]) {
    for (const damping of [0, 0.01]) {
      const { added, pivots } = factorHessian(memory, hessian, columns, damping);
      assert.ok(added > 0 && pivots.every((pivot) => pivot > 0 && pivot < Infinity));
    }
  }
  assert.is(factorHessian(memory, HESSIAN, columns, 0).added, 0);
  const indefinite = { ...HESSIAN, gram: HESSIAN.gram.map((value, ij) => (ij === 1 ? 1e9 : value)) };
  assert.throws(
    () => factorHessian(memory, indefinite, columns, 0.01),
    (error: unknown) => error instanceof RecipeError && /model\.layers\.0\.qkv: Hessian: got a singular one/.test(error.message),
  );
});

test("activations whose squares overflow are an error that names input and channel", () => {
  const observers = new HessianObservers(kernels, new Map([["qkv", { K, gram: regions.factor }]]));
  observers.reset();
  const x = kernels.f32(regions.products, K);
  x.fill(1);
  x[5] = 1e30;
  observers.observe("qkv", regions.products, 1);
  assert.throws(
    () => observers.read({ name: "qkv", path: "model.layers.0.qkv" }, 1),
    (error: unknown) =>
      error instanceof RecipeError && /model\.layers\.0\.qkv: Hessian: got Infinity at channel 5/.test(error.message),
  );
});

test("output errors are e H e^T", () => {
  const h = full(HESSIAN);
  const e = Float32Array.from({ length: 40 * K }, random);
  let expected = 0;
  for (let row = 0; row < e.length; row += K) expected += quadraticForm(e.subarray(row, row + K), h, K);
  const found = OutputError.load(memory, HESSIAN).of(e);
  // Two float32 dot products of K terms, of a positive sum.
  assert.ok(Math.abs(found / expected - 1) < 1e-5, `${found} for ${expected}`);
});

test("activation errors are those of the rounded activation at the output, each token relative to its own size", () => {
  const massive = X.map((value, i) => (i < K ? 1000 * value : value));
  for (const x of [X, massive]) {
    const energies = (change: (row: Float32Array) => Float32Array) => {
      let sum = 0;
      for (let m = 0; m < x.length; m += K) {
        const row = x.slice(m, m + K).map((value, k) => value / FACTORS[k]!);
        const size = row.reduce((total, value) => total + value * value, 0);
        const d = change(row);
        for (let n = 0; n < WEIGHT.length; n += K)
          sum += d.reduce((dot, value, k) => dot + value * WEIGHT[n + k]!, 0) ** 2 / size;
      }
      return sum;
    };
    const round8 = (row: Float32Array, s: number) =>
      row.map((value) => value - s * Math.max(-127, Math.min(127, Math.round(value / s))));
    const signal = energies((row) => row);
    const scale = 0.05;
    const found = activationErrors(memory, { x, K, factors: FACTORS }, scale, [WEIGHT]);
    const dynamic = energies((row) => round8(row, Math.max(...row.map(Math.abs)) / 127)) / signal;
    assert.ok(Math.abs(found.static / (energies((row) => round8(row, scale)) / signal) - 1) < 2e-3, `${found.static}`);
    assert.ok(Math.abs(found.dynamic / dynamic - 1) < 2e-3, `${found.dynamic} for ${dynamic}`);
  }
});

test("AWQ's factors are those of its grid with the least output error", () => {
  const h = full(HESSIAN);
  const format = rowFormat(K, 32, "int4");
  const rms = Array.from({ length: K }, (_, k) => Math.sqrt(h[k * K + k]!));
  const costs = Array.from({ length: 21 }, (_, step) => {
    const s = rms.map((value) => value ** (step / 20));
    const middle = Math.sqrt(Math.min(...s) * Math.max(...s));
    const factors = Float32Array.from(s, (value) => value / middle);
    const rounded = dequantizeRows(quantizeRows(equalizeColumns(WEIGHT, factors), rowFormat(K, 32, "int4"), ORIGIN));
    const e = rounded.map((value, i) => WEIGHT[i]! - value / factors[i % K]!);
    let cost = 0;
    for (let row = 0; row < e.length; row += K) cost += quadraticForm(e.subarray(row, row + K), h, K);
    return { factors, cost };
  });
  const best = costs.reduce((least, candidate) => (candidate.cost < least.cost ? candidate : least));
  const found = searchFactors(HESSIAN, [WEIGHT], format, OutputError.load(memory, HESSIAN));
  assert.ok(best.cost < costs[0]!.cost, "equalizing helps here");
  found.forEach((value, k) => assert.ok(Math.abs(value / best.factors[k]! - 1) < 1e-6));
});

test.run();
