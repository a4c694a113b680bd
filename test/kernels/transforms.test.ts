/** Kernels of transformed models against their definitions in double precision, and against their twins. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { assertSameBits, assertWithin, F32_EPSILON } from "../oracle/compare.ts";
import { mulberry32, normal } from "../random.ts";
import { fill, onBothBuilds } from "./both-builds.ts";

const SEED = 29;
const gaussian = normal(mulberry32(SEED));
const test = suite(`hadamard, row scales, clamp (seed ${SEED})`);

function hadamard(x: Float32Array, M: number, K: number, size: number, { inPlace = false, split = M } = {}): Float32Array {
  return onBothBuilds(`M=${M} K=${K} size=${size}`, (kernels) => {
    const from = kernels.put(x, 4 * (K % 4));
    const to = inPlace ? from : kernels.region(4 * M * K);
    const scale = 1 / Math.sqrt(size);
    kernels.run.hadamard_f32(from, to, K, size, scale, split, M);
    kernels.run.hadamard_f32(from, to, K, size, scale, 0, split);
    return kernels.f32(to, M * K);
  });
}

const sign = (i: number, j: number) => {
  let common = i & j;
  let odd = 0;
  for (; common > 0; common &= common - 1) odd ^= 1;
  return odd ? -1 : 1;
};

/**
 * Each element is scaled, then added log2(size) times, and every rounding is of what cannot exceed the sum of
 * magnitudes.
 */
function assertHadamard(y: Float32Array, x: Float32Array, size: number): void {
  const scale = 1 / Math.sqrt(size);
  const block = (at: number) => Math.floor(at / size) * size;
  const sum = (at: number, of: (value: number, j: number) => number) => {
    let total = 0;
    for (let j = 0; j < size; j++) total += of(x[block(at) + j]!, j);
    return total * scale;
  };
  const expected = Float64Array.from(y, (_, at) => sum(at, (value, j) => value * sign(at - block(at), j)));
  const bound = (at: number) => (2.01 + Math.log2(size)) * F32_EPSILON * sum(at, (value) => Math.abs(value)) + 2 ** -149 * size;
  assertWithin(y, expected, bound, `size=${size}`);
}

test("hadamard equals the definition for every size, count of blocks and tail, in place and in ranges", () => {
  for (const size of [1, 2, 4, 8, 16, 32, 64, 512]) {
    for (const blocks of size < 8 ? [1, 2, 3, 5, 7] : [1, 3]) {
      for (const M of [0, 1, 3]) {
        const K = size * blocks;
        const x = fill(M * K, gaussian);
        const y = hadamard(x, M, K, size);
        assertHadamard(y, x, size);
        assertSameBits(hadamard(x, M, K, size, { inPlace: true, split: M >> 1 }), y, `size=${size} K=${K}, in place`);
      }
    }
  }
});

test("hadamard twice is what was there; zeros stay zeros, and large values do not overflow", () => {
  const [M, K, size] = [2, 192, 64];
  const x = fill(M * K, gaussian);
  const back = hadamard(hadamard(x, M, K, size), M, K, size);
  const largest = x.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  assertWithin(back, Float64Array.from(x), () => 20 * size ** 0.5 * F32_EPSILON * largest, "twice");
  assert.ok(hadamard(new Float32Array(K), 1, K, size).every((value) => value === 0));
  const large = hadamard(new Float32Array(size).fill(2 ** 124), 1, size, size);
  assert.is(large[0], 2 ** 127);
  assert.ok(large.subarray(1).every((value) => value === 0));
});

test("row scales are reciprocals of root mean squares and their reciprocals; a row of zeros without eps keeps 1", () => {
  for (const K of [1, 2, 3, 4, 5, 15, 16, 17, 576]) {
    for (const eps of [0, 1e-5, 1e-2]) {
      const M = 4;
      const size = (m: number) => [1e4, 1, 1e-6, 0][m]!;
      const x = Float32Array.from({ length: M * K }, (_, i) => size(Math.floor(i / K)) * (gaussian() + 0.1));
      const scales = onBothBuilds(`K=${K}`, (kernels) => {
        const [xAt, to] = [kernels.put(x, 4 * (K % 4)), kernels.region(8 * M)];
        kernels.run.residual_scales_f32(xAt, to, M, K, eps, 1, M);
        kernels.run.residual_scales_f32(xAt, to, M, K, eps, 0, 1);
        return kernels.f32(to, 2 * M);
      });
      const root = (m: number) => {
        const squares = x.subarray(m * K, (m + 1) * K).reduce((sum, value) => sum + value * value, 0);
        return Math.sqrt(squares / K + Math.fround(eps)) || 1;
      };
      const expected = Float64Array.from({ length: 2 * M }, (_, i) => (i < M ? 1 / root(i) : root(i - M)));
      // Up to K roundings of the sum, of which a root halves the share, then some of its own.
      const share = (K / 2 + 6) * F32_EPSILON;
      assertWithin(scales, expected, (i) => share * expected[i]!, `K=${K} eps=${eps}`);
    }
  }
});

test("rows are scaled each by its own factor, every tail, in ranges", () => {
  const M = 3;
  for (let K = 0; K <= 21; K++) {
    const [x, factors] = [fill(M * K, gaussian), fill(M, gaussian)];
    for (const middle of [0, 1, M]) {
      const y = onBothBuilds(`K=${K}`, (kernels) => {
        const [xAt, scales] = [kernels.put(x, 4), kernels.put(factors, 8)];
        kernels.run.scale_rows_f32(xAt, scales, K, middle, M);
        kernels.run.scale_rows_f32(xAt, scales, K, 0, middle);
        return kernels.f32(xAt, M * K);
      });
      assertSameBits(y, x.map((value, i) => value * factors[Math.floor(i / K)]!), `K=${K}, split at ${middle}`); // prettier-ignore
    }
  }
});

/** A NaN's own bits are the engine's choice. */
const oneNaN = (values: Float32Array) => values.map((value) => (Number.isNaN(value) ? Number.NaN : value));

test("clamp keeps what is within, every tail and stride; NaN stays, infinities do not", () => {
  for (let K = 0; K <= 21; K++) {
    for (const [M, stride] of [
      [1, K],
      [3, K],
      [3, K + 5],
    ] as const) {
      // prettier-ignore
      const x = fill(M * stride, () => 2 * gaussian());
      if (K > 3) x.set([Infinity, -Infinity, NaN], 0);
      const y = onBothBuilds(`K=${K} stride=${stride}`, (kernels) => {
        const xAt = kernels.put(x, 4);
        kernels.run.clamp_f32(xAt, K, stride, -1.5, 0.75, M >> 1, M);
        kernels.run.clamp_f32(xAt, K, stride, -1.5, 0.75, 0, M >> 1);
        return oneNaN(kernels.f32(xAt, M * stride));
      });
      const expected = x.map((value, i) => (i % stride < K ? Math.max(-1.5, Math.min(0.75, value)) : value));
      assertSameBits(y, oneNaN(expected), `K=${K} stride=${stride}`);
    }
  }
});

test.run();
