import { suite } from "uvu";
import * as assert from "uvu/assert";
import { NULL } from "../../src/kernels/pointer.ts";
import { assertSameBits, assertWithin } from "../oracle/compare.ts";
import { layernormBounds, layernormRow } from "../oracle/layernorm.ts";
import { mulberry32, normal } from "../random.ts";
import { fill, onBothBuilds } from "./both-builds.ts";

const random = mulberry32(37);
const gaussian = normal(random);
const test = suite("layernorm (seed 37)");
const EPS = Math.fround(1e-5);
type Range = readonly [begin: number, end: number];

interface Operands {
  x: Float32Array;
  weight: Float32Array;
  bias: Float32Array | undefined;
}

function layernorm({ x, weight, bias }: Operands, M: number, ranges: readonly Range[] = [[0, M]]): Float32Array {
  const K = weight.length;
  return onBothBuilds(`M=${M} K=${K}${bias ? "" : " no bias"}`, (kernels) => {
    const [xAt, weightAt, y] = [kernels.put(x, 4 * (K % 4)), kernels.put(weight), kernels.region(4 * M * K)];
    const biasAt = bias ? kernels.put(bias, 4) : NULL;
    for (const [begin, end] of ranges) kernels.run.layernorm_f32(xAt, weightAt, biasAt, y, M, K, EPS, begin, end);
    return kernels.f32(y, M * K);
  });
}

function assertLayernorm(operands: Operands, M: number, what: string): Float32Array {
  const { x, weight, bias } = operands;
  const K = weight.length;
  const y = layernorm(operands, M);
  for (let m = 0; m < M; m++) {
    const row = x.subarray(m * K, (m + 1) * K);
    const expected = layernormRow(row, weight, bias, EPS);
    const bounds = layernormBounds(row, weight, bias, EPS);
    assertWithin(y.subarray(m * K, (m + 1) * K), expected, (k) => bounds[k]!, `${what}, row ${m}`);
  }
  return y;
}

test("equals the definition for every tail, with and without bias", () => {
  for (const K of [...Array.from({ length: 36 }, (_, i) => i + 1), 64, 576, 1536]) {
    for (const M of [0, 1, 3]) {
      const x = fill(M * K, () => gaussian() * 10 ** (4 * random() - 2));
      if (M > 1) x.fill(0, K, 2 * K);
      const [weight, bias] = [fill(K, gaussian), fill(K, gaussian)];
      for (const added of [bias, undefined]) {
        const y = assertLayernorm({ x, weight, bias: added }, M, `M=${M} K=${K}`);
        if (M > 1) assert.equal([...y.subarray(K, 2 * K)].map(Math.abs), [...(added ?? fill(K, () => 0))].map(Math.abs));
      }
    }
  }
});

test("rows far from zero, large and small; a row of one value gives its bias", () => {
  const K = 50;
  const [weight, bias] = [fill(K, gaussian), fill(K, gaussian)];
  for (const [magnitude, mean] of [
    [1, 1000],
    [0.01, -300],
    [1e-20, 0],
    [1e-6, 1e-3],
    [1e15, 1e15],
  ] as const) {
    const x = fill(K, () => gaussian() * magnitude + mean);
    assertLayernorm({ x, weight, bias }, 1, `${magnitude} around ${mean}`);
  }
  // 64 additions of a power of two are exact, and so is the mean.
  const [even, offset] = [fill(64, gaussian), fill(64, gaussian)];
  const constant = { x: fill(64, () => 1024), weight: even, bias: offset };
  assertSameBits(layernorm(constant, 1), offset, "a row of one value");
});

test("squares that overflow give the bias; NaN, infinity and a sum that overflows give NaN", () => {
  const [weight, bias] = [fill(24, gaussian), fill(24, gaussian)];
  const x = fill(24, gaussian).map((value) => value * 1e25);
  assertSameBits(layernorm({ x, weight, bias }, 1), bias, "overflow of squares");
  for (const bad of [Number.NaN, Infinity]) {
    x[21] = bad;
    assert.ok(layernorm({ x, weight, bias }, 1).every(Number.isNaN), `${bad}`);
  }
  const sum = { x: fill(24, () => 3e38), weight, bias };
  assert.ok(layernorm(sum, 1).every(Number.isNaN), "overflow of the sum");
});

test("ranges of rows together equal one call, and y may be x", () => {
  const [M, K] = [7, 21];
  const [x, weight, bias] = [fill(M * K, gaussian), fill(K, gaussian), fill(K, gaussian)];
  const whole = layernorm({ x, weight, bias }, M);
  for (let middle = 0; middle <= M; middle++) {
    const ranges: Range[] = [
      [middle, M],
      [0, middle],
    ];
    assertSameBits(layernorm({ x, weight, bias }, M, ranges), whole, `split at ${middle}`);
  }
  const inPlace = onBothBuilds("in place", (kernels) => {
    const [xAt, weightAt, biasAt] = [kernels.put(x), kernels.put(weight), kernels.put(bias)];
    kernels.run.layernorm_f32(xAt, weightAt, biasAt, xAt, M, K, EPS, 0, M);
    return kernels.f32(xAt, M * K);
  });
  assertSameBits(inPlace, whole, "in place");
});

test("heads: each head of each row by its own weights, and the rest of a row is left alone", () => {
  for (const [M, heads, D, extra] of [
    [0, 2, 8, 0],
    [1, 1, 4, 0],
    [3, 2, 8, 5],
    [2, 3, 6, 1],
    [5, 4, 64, 64],
  ] as const) {
    const stride = heads * D + extra;
    const [x, weight] = [fill(M * stride, gaussian), fill(heads * D, gaussian)];
    for (const middle of [0, M >> 1, M]) {
      const y = onBothBuilds(`M=${M} heads=${heads} D=${D}`, (kernels) => {
        const [xAt, weightAt] = [kernels.put(x), kernels.put(weight)];
        kernels.run.layernorm_heads_f32(xAt, weightAt, heads, D, stride, EPS, middle, M);
        kernels.run.layernorm_heads_f32(xAt, weightAt, heads, D, stride, EPS, 0, middle);
        return kernels.f32(xAt, M * stride);
      });
      const expected = x.slice();
      for (let m = 0; m < M; m++) {
        for (let h = 0; h < heads; h++) {
          const at = m * stride + h * D;
          const own = { x: x.slice(at, at + D), weight: weight.slice(h * D, (h + 1) * D), bias: undefined };
          expected.set(assertLayernorm(own, 1, `head ${h}`), at);
        }
      }
      assertSameBits(y, expected, `M=${M} heads=${heads} D=${D}`);
    }
  }
});

test.run();
