import { suite } from "uvu";
import * as assert from "uvu/assert";
import { assertSameBits, assertWithin, F32_EPSILON } from "../oracle/compare.ts";
import { mulberry32, normal } from "../random.ts";
import { fill, onBothBuilds } from "./both-builds.ts";

const random = mulberry32(17);
const gaussian = normal(random);
const test = suite("rmsnorm (seed 17)");
const EPS = Math.fround(1e-5);

/** The definition in double precision, for one row. */
function oracleRow(x: Float32Array, weight: Float32Array): number[] {
  const mean = x.reduce((sum, value) => sum + value * value, 0) / x.length;
  return Array.from(x, (value, k) => (value / Math.sqrt(mean + EPS)) * weight[k]!);
}

/**
 * Relative error: a square, K / 16 additions in a lane, four across lanes, the division by K and eps, all
 * positive, halved by the root; then root, reciprocal and two products; and one rounding of a subnormal.
 */
const bound = (K: number, value: number) => ((Math.ceil(K / 16) + 7) / 2 + 4.01) * F32_EPSILON * Math.abs(value) + 2 ** -149;

function rmsnorm(x: Float32Array, weight: Float32Array, M: number, K: number, ranges: [number, number][] = [[0, M]]) {
  return onBothBuilds(`M=${M} K=${K}`, (kernels) => {
    const [xAt, weightAt, y] = [kernels.put(x, 4 * (K % 4)), kernels.put(weight), kernels.region(4 * M * K)];
    for (const [begin, end] of ranges) kernels.run.rmsnorm_f32(xAt, weightAt, y, M, K, EPS, begin, end);
    return kernels.f32(y, M * K);
  });
}

test("equals the definition for every tail", () => {
  for (const K of [...Array.from({ length: 36 }, (_, i) => i + 1), 64, 576, 1536]) {
    for (const M of [0, 1, 3]) {
      const x = fill(M * K, () => gaussian() * 10 ** (4 * random() - 2));
      if (M > 1) x.fill(0, K, 2 * K);
      const weight = fill(K, gaussian);
      const expected = Array.from({ length: M }, (_, m) => oracleRow(x.subarray(m * K, (m + 1) * K), weight)).flat();
      const y = rmsnorm(x, weight, M, K);
      assertWithin(y, expected, (i) => bound(K, expected[i]!), `M=${M} K=${K}`);
      if (M > 1) assert.ok(y.subarray(K, 2 * K).every((value) => value === 0));
    }
  }
});

test("large and small rows; a row whose squares overflow gives zeros, as in Hugging Face", () => {
  const K = 24;
  const weight = fill(K, gaussian);
  for (const magnitude of [1e-20, 1e-6, 1e15]) {
    const x = fill(K, () => gaussian() * magnitude);
    const expected = oracleRow(x, weight);
    assertWithin(rmsnorm(x, weight, 1, K), expected, (i) => bound(K, expected[i]!), `${magnitude}`);
  }
  assert.ok(
    rmsnorm(
      fill(K, () => 1e30),
      weight,
      1,
      K,
    ).every((value) => value === 0),
  );
});

test("ranges of rows together equal one call", () => {
  const [M, K] = [7, 21];
  const [x, weight] = [fill(M * K, gaussian), fill(K, gaussian)];
  const whole = rmsnorm(x, weight, M, K);
  for (let middle = 0; middle <= M; middle++) {
    const ranges: [number, number][] = [
      [middle, M],
      [0, middle],
    ];
    assertSameBits(rmsnorm(x, weight, M, K, ranges), whole, `split at ${middle}`);
  }
});

test("heads: each head of each row is a row of rmsnorm, and the rest of a row is left alone", () => {
  for (const [M, heads, D, extra] of [
    [1, 1, 4, 0],
    [3, 2, 8, 5],
    [2, 3, 6, 1],
    [5, 4, 64, 64],
  ] as const) {
    const stride = heads * D + extra;
    const [x, weight] = [fill(M * stride, gaussian), fill(D, gaussian)];
    for (const middle of [0, M >> 1, M]) {
      const y = onBothBuilds(`M=${M} heads=${heads} D=${D}`, (kernels) => {
        const [xAt, weightAt] = [kernels.put(x), kernels.put(weight)];
        kernels.run.rmsnorm_heads_f32(xAt, weightAt, heads, D, stride, EPS, middle, M);
        kernels.run.rmsnorm_heads_f32(xAt, weightAt, heads, D, stride, EPS, 0, middle);
        return kernels.f32(xAt, M * stride);
      });
      const expected = x.slice();
      for (let m = 0; m < M; m++) {
        for (let h = 0; h < heads; h++) {
          const at = m * stride + h * D;
          expected.set(rmsnorm(x.slice(at, at + D), weight, 1, D), at);
        }
      }
      assertSameBits(y, expected, `M=${M} heads=${heads} D=${D}`);
    }
  }
});

test.run();
