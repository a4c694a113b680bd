import { suite } from "uvu";
import * as assert from "uvu/assert";
import { assertWithin, F32_EPSILON } from "../oracle/compare.ts";
import { logSoftmax } from "../decoding/toy-model.ts";
import { mulberry32, normal } from "../random.ts";
import { fill, onBothBuilds } from "./both-builds.ts";

const random = mulberry32(29);
const gaussian = normal(random);
const test = suite("first_nonfinite, argmax, softmax, cross_entropy, kl_divergence (seed 29)");
const COUNTS = [...Array.from({ length: 36 }, (_, i) => i + 1), 49152];

/** The index that `kernel` returns for x. */
function index(kernel: "first_nonfinite_f32" | "argmax_f32", x: Float32Array): number {
  return onBothBuilds(kernel, (kernels) => Int32Array.of(kernels.run[kernel](kernels.put(x, 4), x.length)))[0]!;
}

test("first_nonfinite finds each place, and the first of two", () => {
  assert.is(index("first_nonfinite_f32", new Float32Array(0)), -1);
  for (const count of [1, 4, 5, 16, 17, 35]) {
    const x = fill(count, () => (random() < 0.5 ? -3.4028234663852886e38 : 1e-45));
    assert.is(index("first_nonfinite_f32", x), -1);
    for (let i = 0; i < count; i++) {
      for (const bad of [Number.NaN, Infinity, -Infinity]) {
        const y = x.slice();
        y[i] = bad;
        y[Math.min(count - 1, i + 3)] = Number.NaN;
        assert.is(index("first_nonfinite_f32", y), i, `${bad} at ${i} of ${count}`);
      }
    }
  }
});

test("argmax finds each place, the lowest among equals, and never NaN", () => {
  for (const count of [1, 3, 4, 5, 16, 17, 35]) {
    for (let i = 0; i < count; i++) {
      const x = fill(count, () => -1 - random());
      x[i] = -0.5;
      assert.is(index("argmax_f32", x), i, `${i} of ${count}`);
      x[count - 1] = -0.5;
      assert.is(index("argmax_f32", x), i, `${i} and the last of ${count}`);
      if (i > 0) x[i - 1] = Number.NaN;
      assert.is(index("argmax_f32", x), i, `NaN before ${i}`);
      x.fill(Number.NaN);
      assert.is(index("argmax_f32", x), 0, "nothing but NaN");
      x[i] = -Infinity;
      assert.is(index("argmax_f32", x), i, `-inf among NaN at ${i} of ${count}`);
    }
  }
  assert.is(index("argmax_f32", Float32Array.of(-0, 0)), 0, "zeros are equal");
  assert.is(index("argmax_f32", Float32Array.of(1, Infinity, Infinity)), 1);
  assert.is(index("argmax_f32", new Float32Array(0)), 0);
});

test("softmax equals the definition for every count and temperature, in place and not", () => {
  for (const count of COUNTS) {
    for (const temperature of [0.1, 0.8, 1, 5]) {
      const x = fill(count, () => 8 * gaussian());
      if (count > 2) x[1] = -Infinity;
      const inPlace = random() < 0.5;
      const y = onBothBuilds(`count=${count}`, (kernels) => {
        const xAt = kernels.put(x, 4);
        const yAt = inPlace ? xAt : kernels.region(4 * count);
        kernels.run.softmax_f32(xAt, yAt, count, temperature);
        return kernels.f32(yAt, count);
      });
      const max = x.reduce((a, b) => Math.max(a, b), -Infinity);
      const distance = Float64Array.from(x, (value) => (max - value) / Math.fround(temperature));
      const sum = distance.reduce((s, d) => s + Math.exp(-d), 0);
      const p = distance.map((d) => Math.exp(-d) / sum);
      // exp's argument meets two roundings, its result two; the sum's error is the weighted mean of those,
      // and one rounding; one division.
      const mean = p.reduce((s, value, i) => s + (value && 2 * value * distance[i]!), 0);
      const roundings = (i: number) => (Number.isFinite(distance[i]!) ? 2 * distance[i]! : 0) + 2 + mean + 2 + 2;
      assertWithin(
        y,
        p,
        (i) => 1.001 * roundings(i) * F32_EPSILON * p[i]! + 2 ** -148,
        `count=${count} temperature=${temperature}`,
      );
      if (count > 2) assert.is(y[1], 0, "a masked token");
    }
  }
});

test("cross entropy equals the definition for every V, in ranges of rows", () => {
  for (const V of COUNTS) {
    const M = 3;
    const logits = fill(M * V, () => 6 * gaussian());
    const targets = Int32Array.from({ length: M }, () => Math.floor(V * random()));
    const losses = onBothBuilds(`V=${V}`, (kernels) => {
      const [at, targetsAt, y] = [kernels.put(logits, 4), kernels.put(targets), kernels.region(8 * M)];
      kernels.run.cross_entropy_f32(at, targetsAt, y, V, 1, M);
      kernels.run.cross_entropy_f32(at, targetsAt, y, V, 0, 1);
      return kernels.f64(y, M);
    });
    const expected = Array.from({ length: M }, (_, m) => {
      const row = logits.subarray(m * V, (m + 1) * V);
      const max = row.reduce((a, b) => Math.max(a, b));
      return Math.log(row.reduce((sum, value) => sum + Math.exp(value - max), 0)) + max - row[targets[m]!]!;
    });
    // (ln V + 2) roundings, derived in the kernel's header; f64 sums in another order are far below.
    assertWithin(losses, expected, () => 1.001 * (Math.log(V) + 2) * F32_EPSILON, `V=${V}`);
  }
});

test("cross entropy hides nothing: NaN and infinite logits give NaN, a masked target infinity", () => {
  const rows = [
    [1, Number.NaN, 2],
    [Infinity, 0, 1],
    [-Infinity, 0, 1],
    [-1e30, 1e30, 0],
  ];
  const losses = onBothBuilds("nonfinite", (kernels) => {
    const y = kernels.region(8 * rows.length);
    kernels.run.cross_entropy_f32(kernels.put(Float32Array.from(rows.flat())), kernels.put(new Int32Array(4)), y, 3, 0, 4);
    return kernels.f64(y, 4).map((value) => (Number.isNaN(value) ? Number.NaN : value)); // a NaN's own bits are the engine's choice
  });
  assert.equal([...losses], [Number.NaN, Number.NaN, Infinity, Math.fround(1e30) + Math.fround(1e30)]);
});

/** KL(softmax(x) || softmax(y)) on both builds, and whether it wrote anything. */
function divergence(x: Float32Array, y: Float32Array): number {
  const results = onBothBuilds(`V=${x.length}`, (kernels) => {
    const value = kernels.run.kl_divergence_f32(kernels.put(x, 4), kernels.put(y, 4), x.length);
    return Float64Array.of(Number.isNaN(value) ? Number.NaN : value);
  });
  return results[0]!;
}

test("the divergence equals the definition for every V", () => {
  for (const V of COUNTS) {
    for (const difference of [0.01, 1, 6]) {
      const x = fill(V, () => 6 * gaussian());
      const y = x.map((value) => value + difference * gaussian());
      if (V > 3) x[2] = -Infinity; // a token that x rules out
      const [p, q] = [logSoftmax(x), logSoftmax(y)];
      const terms = Array.from(p, (lnP, v) => (lnP === -Infinity ? 0 : Math.exp(lnP) * (lnP - q[v]!)));
      const expected = terms.reduce((a, b) => a + b, 0);
      // Derived in the kernel's header.
      const [xMax, yMax] = [x, y].map((row) => row.reduce((a, b) => Math.max(a, b)));
      let bound = 0;
      for (let v = 0; v < V; v++) {
        const [pv, qv] = [Math.exp(p[v]!), Math.exp(q[v]!)];
        if (pv > 0) bound += pv * (xMax! - x[v]! + 2) * (Math.abs(p[v]! - q[v]! - expected) + 1);
        bound += qv * (yMax! - y[v]! + 2);
      }
      assertWithin([divergence(x, y)], [expected], () => 1.001 * bound * F32_EPSILON, `V=${V} difference=${difference}`);
    }
  }
});

test("equal logits diverge by exactly 0, shifted ones by no more than their rounding", () => {
  for (const V of [1, 5, 49152]) {
    const x = fill(V, () => 6 * gaussian());
    assert.is(divergence(x, x), 0);
    assert.is(
      divergence(
        x.map(Math.round),
        x.map((value) => Math.round(value) + 1024),
      ),
      0,
      "whole numbers shift exactly",
    );
  }
});

test("what only the second rules out is infinitely surprising; NaN and infinite logits are not hidden", () => {
  const rows: readonly [number[], number[], number][] = [
    [[0, 0], [0, -Infinity], Infinity],
    [[0, -Infinity], [0, 0], Math.log(2)],
    [[0, Number.NaN], [0, 0], Number.NaN],
    [[0, 0], [Number.NaN, 0], Number.NaN],
    [[Infinity, 0], [0, 0], Number.NaN],
  ];
  for (const [x, y, expected] of rows) {
    const found = divergence(Float32Array.from(x), Float32Array.from(y));
    const same = Number.isFinite(expected) ? Math.abs(found - expected) < 4 * F32_EPSILON : Object.is(found, expected);
    assert.ok(same, `${x} against ${y}: got ${found}, expected ${expected}`);
  }
});

test.run();
