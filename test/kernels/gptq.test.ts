/** The kernels of GPTQ: Hessian, factor, rounding. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { NULL, type Pointer } from "../../src/kernels/pointer.ts";
import { nearestCode } from "../oracle/code-grid.ts";
import { assertWithin, F32_EPSILON } from "../oracle/compare.ts";
import { plainGptq, quadraticForm } from "../oracle/gptq.ts";
import { mulberry32, normal } from "../random.ts";
import { fill, onBothBuilds } from "./both-builds.ts";
import type { KernelMemory } from "./kernel-memory.ts";

const random = mulberry32(67);
const gaussian = normal(random);
const test = suite("GPTQ kernels (seed 67)");

/** x f32[M, K] of correlated columns, some much larger than others. */
function activations(M: number, K: number): Float32Array {
  const size = fill(K, () => 10 ** gaussian());
  const x = new Float32Array(M * K);
  for (let m = 0; m < M; m++) {
    const shared = gaussian();
    for (let k = 0; k < K; k++) x[m * K + k] = size[k]! * (gaussian() + shared);
  }
  return x;
}

/** sum of x x^T and of its magnitudes, f64[K, K]. */
function gramOf(x: Float32Array, K: number) {
  const [sum, magnitude] = [new Float64Array(K * K), new Float64Array(K * K)];
  for (let m = 0; m < x.length; m += K) {
    for (let i = 0; i < K; i++) {
      for (let j = 0; j < K; j++) {
        sum[i * K + j]! += x[m + i]! * x[m + j]!;
        magnitude[i * K + j]! += Math.abs(x[m + i]! * x[m + j]!);
      }
    }
  }
  return { sum, magnitude };
}

const upper = (matrix: Float64Array, K: number, stride = K) =>
  matrix.map((value, i) => (i % stride >= Math.floor(i / stride) && i % stride < K ? value : 0));

test("the Hessian is x^T x, for every number of rows around a block and however work is divided", () => {
  for (const K of [8, 16, 24, 40, 64]) {
    for (const M of [0, 1, 5, 255, 256, 257, 600]) {
      const x = activations(M, K);
      const { sum, magnitude } = gramOf(x, K);
      const whole = onBothBuilds(`M=${M} K=${K}`, (kernels) => {
        const gram = kernels.put(new Float64Array(K * K).fill(1));
        kernels.run.gram_f64_f32(kernels.put(x, 4), gram, M, K, 0, K / 8);
        return kernels.f64(gram, K * K);
      });
      const expected = upper(sum, K).map((value, i) => value + (i % K >= Math.floor(i / K) ? 1 : 0));
      // At most 256 terms are added in f32, each rounded once before.
      assertWithin(upper(whole, K), expected, (i) => 258 * F32_EPSILON * magnitude[i]! + 1e-12, `M=${M} K=${K}`);
      const parts = onBothBuilds(`M=${M} K=${K} in parts`, (kernels) => {
        const gram = kernels.put(new Float64Array(K * K).fill(1));
        const rows = kernels.put(x);
        for (let pair = 0; pair < K / 8; pair++) kernels.run.gram_f64_f32(rows, gram, M, K, pair, pair + 1);
        return kernels.f64(gram, K * K);
      });
      assert.equal(parts, whole);
    }
  }
});

/** A positive definite f64[K, K] with the diagonal damped by a hundredth of its mean. */
function hessian(K: number): Float64Array {
  const { sum } = gramOf(activations(2 * K, K), K);
  let trace = 0;
  for (let i = 0; i < K; i++) trace += sum[i * K + i]!;
  for (let i = 0; i < K; i++) sum[i * K + i]! += (0.01 * trace) / K;
  return sum;
}

function putPadded(kernels: KernelMemory, matrix: Float64Array, K: number, stride: number): Pointer {
  const padded = new Float64Array(K * stride);
  for (let i = 0; i < K; i++) padded.set(matrix.subarray(i * K, (i + 1) * K), i * stride);
  return kernels.put(padded);
}

test("U^T U is the matrix it is the factor of", () => {
  for (const K of [4, 8, 12, 32, 64, 100]) {
    for (const stride of [K, K + 8]) {
      const a = hessian(K);
      const u = onBothBuilds(`K=${K}`, (kernels) => {
        const pointer = putPadded(kernels, a, K, stride);
        assert.is(kernels.run.cholesky_f64(pointer, K, stride), -1);
        return upper(kernels.f64(pointer, K * stride), K, stride);
      });
      const product = new Float64Array(K * K);
      for (let i = 0; i < K; i++) {
        for (let j = 0; j < K; j++) {
          for (let k = 0; k <= Math.min(i, j); k++) product[i * K + j]! += u[k * stride + i]! * u[k * stride + j]!;
        }
      }
      // |A - U^T U| <= (K + 1) eps |U|^T |U|, with entries of at most sqrt(a_ii a_jj) (Higham, theorem 10.3).
      const bound = (i: number) => {
        const [r, c] = [Math.floor(i / K), i % K];
        return (K + 2) * 2 ** -52 * Math.sqrt(a[r * K + r]! * a[c * K + c]!);
      };
      assertWithin(product, a, bound, `K=${K}`);
    }
  }
});

test("a matrix that is not positive definite is told by its row", () => {
  for (const bad of [0, -1, NaN, Infinity]) {
    for (const row of [0, 3, 5, 15]) {
      const K = 16;
      const a = new Float64Array(K * K);
      for (let i = 0; i < K; i++) a[i * K + i] = i === row ? bad : 1;
      onBothBuilds(`${bad} at ${row}`, (kernels) => {
        assert.is(kernels.run.cholesky_f64(kernels.put(a), K, K), row);
        return new Float64Array(0);
      });
    }
  }
});

interface Problem {
  N: number;
  K: number;
  G: number;
  top: number;
  w: Float32Array;
  h: Float64Array;
  /** Given, or undefined: search. */
  scales?: Float32Array;
  groups?: Int32Array;
}

/** codes, scales, losses and errors of the kernel, columns in the order the kernel has them (last first). */
function roundGptq({ N, K, G, top, w, h, scales, groups }: Problem, split = false) {
  const panels = Math.ceil(N / 8);
  const groupCount = K / G;
  const all = onBothBuilds(`N=${N} K=${K} G=${G}`, (kernels) => {
    const factor = putPadded(kernels, h, K, K + 8);
    assert.is(kernels.run.cholesky_f64(factor, K, K + 8), -1);
    const scalePointer = scales ? kernels.put(scales) : kernels.region(4 * N * groupCount);
    const [codes, errors, losses] = [kernels.region(N * K), kernels.region(64 * panels * K), kernels.region(8 * N)];
    const groupPointer = groups ? kernels.put(groups) : NULL;
    const scratch = kernels.region(128 + 96 * G);
    const weights = kernels.put(w, 4);
    const ranges = split ? Array.from({ length: panels }, (_, p) => [p, p + 1] as const) : [[0, panels] as const];
    for (const [begin, end] of ranges) {
      kernels.run.round_gptq_f32(weights, factor, groupPointer, NULL, scalePointer, codes, errors, losses, N, K, K + 8, G, top, 0, scales ? 0 : 1, begin, end, scratch); // prettier-ignore
    }
    return Float64Array.of(
      ...kernels.i8(codes, N * K),
      ...kernels.f32(scalePointer, N * groupCount),
      ...kernels.f64(losses, N),
      ...kernels.f64(errors, panels * K * 8),
    );
  });
  const at = [0, N * K, N * K + N * groupCount, N * K + N * groupCount + N, all.length];
  const [codes, found, losses, errors] = at.slice(1).map((end, i) => all.subarray(at[i], end));
  return { codes: codes!, scales: found!, losses: losses!, errors: errors! };
}

const SHAPES = [
  [1, 32, 32],
  [3, 64, 32],
  [8, 64, 64],
  [9, 96, 32],
  [17, 128, 64],
] as const;

for (const top of [7, 127, 12]) {
  test(`top ${top}: given scales, codes are those of the paper's algorithm; losses are e H e^T`, () => {
    for (const [N, K, G] of SHAPES) {
      const [w, h] = [fill(N * K, gaussian), hessian(K)];
      // Any assignment of columns to scales: what act-order with static groups comes to.
      const groups = Int32Array.from({ length: K }, (_, k) => ((k * 7) % K) / G | 0); // prettier-ignore
      const scales = fill((N * K) / G, () => ((random() < 0.5 ? -1 : 1) * ((0.3 + 0.1 * random()) * 7)) / top);
      const { codes, losses, errors } = roundGptq({ N, K, G, top, w, h, scales, groups });
      for (let n = 0; n < N; n++) {
        const order = Array.from({ length: K }, (_, i) => K - 1 - i);
        const scaleOf = (column: number) => scales[(n * K) / G + groups[column]!]!;
        const expected = plainGptq(w.subarray(n * K, (n + 1) * K), h, K, order, top, scaleOf);
        assert.equal([...codes.subarray(n * K, (n + 1) * K)].map((q) => q + 0), expected.codes.map((q) => q + 0), `row ${n}`); // prettier-ignore
        const e = expected.codes.map((q, k) => w[n * K + k]! - q * expected.scales[k]!);
        const found = e.map((_, k) => errors[(Math.floor(n / 8) * K + k) * 8 + (n % 8)]!);
        assertWithin(Float64Array.from(found), Float64Array.from(e), () => 1e-12, "errors");
        const loss = quadraticForm(e, h, K);
        assert.ok(Math.abs(losses[n]! / loss - 1) < 1e-9, `loss ${losses[n]} for ${loss}`);
      }
      assert.equal(roundGptq({ N, K, G, top, w, h, scales, groups }, true).codes, codes, "in parts");
    }
  });
}

test("searched scales see weights that make up for the errors of earlier groups", () => {
  for (const [N, K, G] of SHAPES) {
    const [w, h] = [fill(N * K, gaussian), hessian(K)];
    const { codes, scales } = roundGptq({ N, K, G, top: 7, w, h });
    for (let n = 0; n < N; n++) {
      const order = Array.from({ length: K }, (_, i) => K - 1 - i);
      const groupScales = new Map<number, number>();
      // The group's scale on the paper's moved weights, found by the kernel that has its own oracle.
      const scaleOf = (column: number, row: Float64Array) => {
        const group = Math.floor(column / G);
        if (!groupScales.has(group)) {
          const moved = Float32Array.from(row.subarray(group * G, (group + 1) * G));
          const [scale] = onBothBuilds("search", (kernels) => {
            const out = kernels.region(4);
            kernels.run.search_scales_f32(kernels.put(moved), NULL, out, G, G, 7, 0, 0, 1);
            return kernels.f32(out, 1);
          });
          groupScales.set(group, scale!);
        }
        return groupScales.get(group)!;
      };
      const expected = plainGptq(w.subarray(n * K, (n + 1) * K), h, K, order, 7, scaleOf);
      assert.equal([...codes.subarray(n * K, (n + 1) * K)].map((q) => q + 0), expected.codes.map((q) => q + 0), `row ${n}`); // prettier-ignore
      for (const [group, scale] of groupScales) assert.is(scales[(n * K) / G + group], scale);
    }
  }
});

test("a diagonal Hessian leaves round to nearest", () => {
  const [N, K, G] = [5, 64, 32];
  const h = new Float64Array(K * K);
  for (let i = 0; i < K; i++) h[i * K + i] = 1 + i;
  const w = fill(N * K, gaussian);
  const scales = new Float32Array((N * K) / G).fill(0.25);
  const groups = Int32Array.from({ length: K }, (_, k) => Math.floor(k / G));
  const { codes } = roundGptq({ N, K, G, top: 7, w, h, scales, groups });
  w.forEach((value, i) => assert.is(codes[i]! + 0, Math.max(-8, Math.min(7, Math.round(value / 0.25))) + 0));
  // Every half way between two codes, and what lies around it.
  const ties = Float32Array.from({ length: K }, (_, k) => (k - K / 2) / 2);
  for (const top of [7, 12]) {
    const given = { N: 1, K, G, top, w: ties, h, scales: new Float32Array(K / G).fill(1), groups };
    roundGptq(given).codes.forEach((code, k) => assert.is(code + 0, nearestCode(ties[k]!, top) + 0, `${ties[k]}`));
  }
});

test.run();
