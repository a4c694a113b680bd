import { suite } from "uvu";
import * as assert from "uvu/assert";
import { NULL } from "../../src/kernels/pointer.ts";
import { assertSameBits, assertWithin, F32_EPSILON } from "../oracle/compare.ts";
import { mulberry32, normal } from "../random.ts";
import { fill, onBothBuilds } from "./both-builds.ts";
import type { KernelMemory } from "./kernel-memory.ts";

const random = mulberry32(11);
const gaussian = normal(random);
const test = suite("gemm_f32_f32_f32w (seed 11)");

/**
 * The definition, on unpacked weights in double precision, and the sum of magnitudes that bounds its rounding
 * in f32.
 */
function oracle(x: Float32Array, w: Float32Array, bias: Float32Array | undefined, M: number, N: number, K: number) {
  const y = new Float64Array(M * N);
  const magnitude = new Float64Array(M * N);
  for (let m = 0; m < M; m++) {
    for (let n = 0; n < N; n++) {
      for (let k = 0; k < K; k++) {
        const product = x[m * K + k]! * w[n * K + k]!;
        y[m * N + n]! += product;
        magnitude[m * N + n]! += Math.abs(product);
      }
      y[m * N + n]! += bias?.[n] ?? 0;
      magnitude[m * N + n]! += Math.abs(bias?.[n] ?? 0);
    }
  }
  return { y, magnitude };
}

interface Run {
  x: Float32Array;
  w: Float32Array;
  bias?: Float32Array | undefined;
  M: number;
  N: number;
  K: number;
  /** Panel ranges of the calls, in order. */
  ranges?: [number, number][];
  misalign?: number;
}

function gemm(kernels: KernelMemory, { x, w, bias, M, N, K, ranges = [[0, Math.ceil(N / 8)]], misalign = 0 }: Run) {
  const packed = kernels.region(kernels.run.packed_bytes_f32w(N, K), misalign);
  kernels.run.pack_f32w(kernels.put(w), packed, 0, N, N, K);
  const [xAt, biasAt] = [kernels.put(x, misalign), bias ? kernels.put(bias, misalign) : NULL];
  const y = kernels.region(4 * M * N, misalign);
  for (const [begin, end] of ranges) kernels.run.gemm_f32_f32_f32w_4x8c1(xAt, packed, biasAt, y, M, N, K, begin, end, NULL);
  return kernels.f32(y, M * N);
}

test("equals the definition for every tail of rows, channels and depth", () => {
  for (const M of [0, 1, 2, 3, 4, 5, 8, 9]) {
    for (const N of [1, 3, 4, 5, 7, 8, 9, 16, 24, 31, 32, 33, 41]) {
      for (const K of [1, 2, 3, 4, 5, 8, 13, 64]) {
        const [x, w] = [fill(M * K, gaussian), fill(N * K, gaussian)];
        const bias = (M + N + K) % 2 ? fill(N, gaussian) : undefined;
        const what = `M=${M} N=${N} K=${K}`;
        const y = onBothBuilds(what, (kernels) => gemm(kernels, { x, w, bias, M, N, K, misalign: 4 * (K % 4) }));
        const expected = oracle(x, w, bias, M, N, K);
        // Each term meets its product's rounding and at most K more: gamma(K + 1) of Higham, section 3.1.
        const gamma = ((K + 1) * F32_EPSILON) / (1 - (K + 1) * F32_EPSILON);
        assertWithin(y, expected.y, (i) => gamma * expected.magnitude[i]!, what);
      }
    }
  }
});

test("a model's shapes, and more rows than one row block", () => {
  for (const [M, N, K] of [
    [67, 96, 576],
    [130, 24, 1536],
  ] as const) {
    const [x, w, bias] = [fill(M * K, gaussian), fill(N * K, gaussian), fill(N, gaussian)];
    const y = onBothBuilds(`M=${M}`, (kernels) => gemm(kernels, { x, w, bias, M, N, K }));
    const expected = oracle(x, w, bias, M, N, K);
    const gamma = ((K + 1) * F32_EPSILON) / (1 - (K + 1) * F32_EPSILON);
    assertWithin(y, expected.y, (i) => gamma * expected.magnitude[i]!, `M=${M} N=${N} K=${K}`);
  }
});

test("a row has the same bits alone and among any number of others", () => {
  const [N, K] = [43, 36];
  const [x, w, bias] = [fill(134 * K, gaussian), fill(N * K, gaussian), fill(N, gaussian)];
  const all = onBothBuilds("M=134", (kernels) => gemm(kernels, { x, w, bias, M: 134, N, K }));
  for (let M = 1; M < 134; M++) {
    const first = 134 - M;
    const y = onBothBuilds(`M=${M}`, (kernels) => gemm(kernels, { x: x.slice(first * K), w, bias, M, N, K }));
    assertSameBits(y, all.slice(first * N), `the last ${M} of 134 rows`);
  }
});

test("ranges of panels together equal one call, and each writes only its own columns", () => {
  const [N, K] = [53, 20];
  for (const M of [1, 2, 3, 6]) {
    const [x, w] = [fill(M * K, gaussian), fill(N * K, gaussian)];
    const whole = onBothBuilds(`M=${M}`, (kernels) => gemm(kernels, { x, w, M, N, K }));
    for (let middle = 0; middle <= 7; middle++) {
      const split = onBothBuilds(`split at ${middle}`, (kernels) =>
        gemm(kernels, {
          x,
          w,
          M,
          N,
          K,
          ranges: [
            [middle, 7],
            [0, middle],
          ],
        }),
      );
      assertSameBits(split, whole, `M=${M}, split at ${middle}`);
      const part = onBothBuilds(`first ${middle}`, (kernels) => gemm(kernels, { x, w, M, N, K, ranges: [[0, middle]] }));
      const untouched = new Float32Array(new Uint8Array(4).fill(0xa5).buffer)[0];
      for (let i = 0; i < M * N; i++) assert.is(part[i], i % N < 8 * middle ? whole[i] : untouched, `column ${i % N}`);
    }
  }
});

test("zero rows give the bias; infinity and NaN reach exactly their own row", () => {
  const [M, N, K] = [6, 11, 9];
  const x = fill(M * K, gaussian).fill(0, 2 * K, 3 * K);
  x[4 * K + 3] = Infinity;
  x[5 * K + 8] = Number.NaN;
  const [w, bias] = [fill(N * K, () => 0.5 + random()), fill(N, gaussian)];
  {
    const y = onBothBuilds("nonfinite", (kernels) => {
      const result = gemm(kernels, { x, w, bias, M, N, K });
      return result.map((value) => (Number.isNaN(value) ? Number.NaN : value)); // a NaN's own bits are the engine's choice
    });
    assertSameBits(y.slice(2 * N, 3 * N), bias, "zero row");
    assert.ok(y.slice(0, 4 * N).every(Number.isFinite));
    assert.ok(y.slice(4 * N, 5 * N).every((value) => value === Infinity));
    assert.ok(y.slice(5 * N).every(Number.isNaN));
  }
});

test("packing in pieces of whole panels equals packing at once; padding is zero", () => {
  const [N, K] = [21, 5];
  const w = fill(N * K, gaussian);
  const pack = (pieces: [number, number][]) =>
    onBothBuilds("packed", (kernels) => {
      const packed = kernels.region(kernels.run.packed_bytes_f32w(N, K));
      for (const [begin, rows] of pieces) {
        kernels.run.pack_f32w(kernels.put(w.subarray(begin * K, (begin + rows) * K)), packed, begin, rows, N, K);
      }
      return kernels.f32(packed, 24 * K);
    });
  const once = pack([[0, N]]);
  for (let n = 0; n < 24; n++) {
    for (let k = 0; k < K; k++) assert.is(once[(n >> 3) * 8 * K + k * 8 + (n & 7)], n < N ? w[n * K + k] : 0, `w[${n},${k}]`);
  }
  const pieces: [number, number][] = [
    [16, 5],
    [0, 8],
    [8, 8],
  ];
  assertSameBits(pack(pieces), once, "in pieces");
});

test.run();
