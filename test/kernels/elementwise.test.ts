import { suite } from "uvu";
import * as assert from "uvu/assert";
import { assertSameBits, assertWithin, F32_EPSILON } from "../oracle/compare.ts";
import { mulberry32, normal } from "../random.ts";
import { fill, onBothBuilds } from "./both-builds.ts";

const random = mulberry32(23);
const gaussian = normal(random);
const test = suite("swiglu and add (seed 23)");

function swiglu(x: Float32Array, M: number, F: number, ranges: [number, number][] = [[0, M]]): Float32Array {
  return onBothBuilds(`M=${M} F=${F}`, (kernels) => {
    const [xAt, y] = [kernels.put(x, 4 * (F % 4)), kernels.region(4 * M * F)];
    for (const [begin, end] of ranges) kernels.run.swiglu_f32(xAt, y, F, 2 * F, begin, end);
    return kernels.f32(y, M * F);
  });
}

/**
 * Relative: exp is off by one unit in the last place (two roundings), then an addition, a division, a
 * product. Absolute: below -88.7 exp(-x) is near or above the largest float, and what is lost is below 89 /
 * 2^127 of up; one rounding of a subnormal.
 */
function assertSwiglu(y: Float32Array, x: Float32Array, M: number, F: number): void {
  const gate = (i: number) => x[Math.floor(i / F) * 2 * F + (i % F)]!;
  const up = (i: number) => x[Math.floor(i / F) * 2 * F + F + (i % F)]!;
  const expected = Float64Array.from(y, (_, i) => (gate(i) / (1 + Math.exp(-gate(i)))) * up(i));
  const lost = (i: number) => (gate(i) < -87 ? (89 * Math.abs(up(i))) / 2 ** 127 : 0);
  assertWithin(y, expected, (i) => 5.01 * F32_EPSILON * Math.abs(expected[i]!) + lost(i) + 2 ** -149, `M=${M} F=${F}`);
}

test("swiglu equals the definition for every tail, and in ranges", () => {
  for (const F of [1, 2, 3, 4, 5, 6, 7, 8, 9, 31, 1536]) {
    for (const M of [0, 1, 2, 5]) {
      const x = fill(M * 2 * F, () => 4 * gaussian());
      const y = swiglu(x, M, F);
      assertSwiglu(y, x, M, F);
      const ranges: [number, number][] = [
        [M >> 1, M],
        [0, M >> 1],
      ];
      assertSameBits(swiglu(x, M, F, ranges), y, `M=${M} F=${F}, split`);
    }
  }
});

test("swiglu of rows that hold more than gate and up", () => {
  const [M, F, stride] = [4, 9, 23];
  const x = fill(M * stride, gaussian);
  const y = onBothBuilds("stride", (kernels) => {
    const [xAt, yAt] = [kernels.put(x), kernels.region(4 * M * F)];
    kernels.run.swiglu_f32(xAt, yAt, F, stride, 0, M);
    return kernels.f32(yAt, M * F);
  });
  const packed = fill(M * 2 * F, () => 0).map((_, i) => x[Math.floor(i / (2 * F)) * stride + (i % (2 * F))]!);
  assertSameBits(y, swiglu(packed, M, F), "stride");
});

test("swiglu over the whole range of gates; far ones saturate, NaN stays", () => {
  const gates = Float32Array.from({ length: 4000 }, (_, i) => (i - 2000) / 16);
  const x = Float32Array.of(...gates, ...gates.map(() => 1 + random()));
  assertSwiglu(swiglu(x, 1, 4000), x, 1, 4000);
  assert.equal([...swiglu(Float32Array.of(3e38, -3e38, 0, Infinity, 1, 1, 1, 1), 1, 4)], [Math.fround(3e38), -0, 0, Infinity]);
  const nan = swiglu(Float32Array.of(Number.NaN, 1, 1, Number.NaN), 1, 2);
  assert.ok(nan.every(Number.isNaN));
});

test("add equals the rounded sum for every tail, in ranges of rows", () => {
  const M = 3;
  for (let K = 0; K <= 21; K++) {
    const [x, y] = [fill(M * K, gaussian), fill(M * K, gaussian)];
    for (const middle of [0, 1, 2, M]) {
      const sum = onBothBuilds(`K=${K}`, (kernels) => {
        const [xAt, yAt] = [kernels.put(x, 4), kernels.put(y, 8)];
        kernels.run.add_f32(xAt, yAt, K, middle, M);
        kernels.run.add_f32(xAt, yAt, K, 0, middle);
        return kernels.f32(xAt, M * K);
      });
      const expected = x.map((value, i) => value + y[i]!);
      assertSameBits(sum, expected, `K=${K}, split at ${middle}`);
    }
  }
});

test.run();
