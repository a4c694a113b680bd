import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Pointer } from "../../src/kernels/pointer.ts";
import { assertSameBits, assertWithin, F32_EPSILON } from "../oracle/compare.ts";
import { mulberry32, normal } from "../random.ts";
import { fill, onBothBuilds } from "./both-builds.ts";
import type { KernelMemory } from "./kernel-memory.ts";
import { E2M1_DOUBLED, putPanels, randomWeights, type WeightCodes } from "./packed-weights.ts";

const random = mulberry32(41);
const gaussian = normal(random);
const test = suite("gradients (seed 41)");
const EPS = Math.fround(1e-5);

/** Halves of the units, the second first: what two threads do, in the worst order. */
function halves(units: number, run: (begin: number, end: number) => void): void {
  const middle = units >> 1;
  run(middle, units);
  run(0, middle);
}

/** f32w panels of [rows, columns] as drawn in `assembly/layouts/layout.ts`, zero where there is no row. */
function panelsOf(matrix: ArrayLike<number>, rows: number, columns: number): Float32Array {
  const packed = new Float32Array(Math.ceil(rows / 8) * 8 * columns);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) packed[(Math.floor(r / 8) * columns + c) * 8 + (r % 8)] = matrix[r * columns + c]!;
  }
  return packed;
}

function transposed(matrix: ArrayLike<number>, rows: number, columns: number): Float64Array {
  const result = new Float64Array(rows * columns);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) result[c * rows + r] = matrix[r * columns + c]!;
  return result;
}

function putValues(kernels: KernelMemory, codes: WeightCodes): Pointer {
  return kernels.put(Float32Array.from(codes === "e2m1" ? E2M1_DOUBLED : Array.from({ length: 16 }, (_, u) => u - 8)));
}

test("columns: every tail of rows and columns is the transposed matrix in panels", () => {
  for (const M of [0, 1, 3, 16]) {
    for (let K = 1; K <= 17; K++) {
      const source = fill(M * K, gaussian);
      const packed = onBothBuilds(`M=${M} K=${K}`, (kernels) => {
        const [from, to] = [kernels.put(source, 4), kernels.region(kernels.run.packed_bytes_f32w(K, M))];
        halves(Math.ceil(K / 8), (begin, end) => kernels.run.pack_columns_f32w(from, to, M, K, begin, end));
        return kernels.f32(to, Math.ceil(K / 8) * 8 * M);
      });
      assertSameBits(packed, panelsOf(transposed(source, M, K), K, M), `M=${M} K=${K}`);
    }
  }
});

test("transposed weights: each value is a code's value times its scale, rounded once", () => {
  for (const codes of [4, "e2m1"] as const) {
    for (const N of [1, 7, 8, 9, 16, 19]) {
      for (const [K, G] of [
        [16, 16],
        [32, 32],
        [96, 32],
        [128, 64],
      ] as const) {
        // prettier-ignore
        const weights = randomWeights(random, N, K, G, codes);
        const found = onBothBuilds(`${codes} N=${N} K=${K} G=${G}`, (kernels) => {
          const [w, values] = [putPanels(kernels, weights, codes), putValues(kernels, codes)];
          const to = kernels.put(new Float32Array(K * N));
          halves(Math.ceil(N / 8), (begin, end) => kernels.run.transpose_qb4w_f32w(w, values, to, N, K, G, begin, end));
          return kernels.f32(to, K * N);
        });
        const value = (i: number) => Math.fround(weights.q[i]! * weights.scales[Math.floor(i / G)]!);
        const expected = Float64Array.from({ length: N * K }, (_, i) => value(i));
        const panels = panelsOf(transposed(expected, N, K), K, N);
        // Which zero a code of zero gives does not matter.
        assert.equal(Array.from(found, (v) => v + 0), Array.from(panels, (v) => v + 0)); // prettier-ignore
      }
    }
  }
});

test("scale gradients: sum over a group of the weights' gradients times the weights", () => {
  for (const M of [0, 1, 5, 64]) {
    for (const N of [1, 3, 4, 6, 8, 13]) {
      for (const [K, G] of [
        [8, 8],
        [32, 32],
        [96, 32],
        [64, 16],
      ] as const) {
        // prettier-ignore
        const [dy, x, w] = [fill(M * N, gaussian), fill(M * K, gaussian), fill(N * K, gaussian)];
        const found = onBothBuilds(`M=${M} N=${N} K=${K} G=${G}`, (kernels) => {
          const [dyAt, xAt] = [
            kernels.put(panelsOf(transposed(dy, M, N), N, M)),
            kernels.put(panelsOf(transposed(x, M, K), K, M)),
          ];
          const [wAt, to] = [kernels.put(panelsOf(transposed(w, N, K), K, N)), kernels.region((4 * N * K) / G)];
          halves(K / G, (begin, end) => kernels.run.scale_gradient_f32(dyAt, xAt, wAt, to, M, N, K, G, begin, end));
          return kernels.f32(to, (N * K) / G);
        });
        const [expected, magnitude] = [new Float64Array(found.length), new Float64Array(found.length)];
        for (let n = 0; n < N; n++) {
          for (let k = 0; k < K; k++) {
            for (let m = 0; m < M; m++) {
              const term = dy[m * N + n]! * x[m * K + k]! * w[n * K + k]!;
              expected[n * (K / G) + Math.floor(k / G)]! += term;
              magnitude[n * (K / G) + Math.floor(k / G)]! += Math.abs(term);
            }
          }
        }
        assertWithin(found, expected, (i) => (M + G / 4 + 6) * F32_EPSILON * magnitude[i]!, `M=${M} N=${N} K=${K} G=${G}`);
      }
    }
  }
});

test("rmsnorm: both gradients are added to what is there", () => {
  for (const K of [4, 8, 12, 20, 64, 576]) {
    for (const M of [0, 1, 3, 7]) {
      const [x, dy] = [fill(M * K, () => gaussian() * 10 ** (4 * random() - 2)), fill(M * K, gaussian)];
      if (M > 1) x.fill(0, 0, K);
      const [weight, dx, dweight] = [fill(K, gaussian), fill(M * K, gaussian), fill(K, gaussian)];
      const found = onBothBuilds(`M=${M} K=${K}`, (kernels) => {
        const [xAt, weightAt, dyAt] = [kernels.put(x), kernels.put(weight), kernels.put(dy)];
        const [dxAt, dweightAt] = [kernels.put(dx), kernels.put(dweight)];
        kernels.run.rmsnorm_backward_f32(xAt, weightAt, dyAt, dxAt, dweightAt, M, K, EPS);
        return Float32Array.of(...kernels.f32(dxAt, M * K), ...kernels.f32(dweightAt, K));
      });
      const expected = [...dx, ...dweight].map(Number);
      const magnitude = expected.map(Math.abs);
      for (let m = 0; m < M; m++) {
        const row = x.subarray(m * K, (m + 1) * K);
        const r = 1 / Math.sqrt(row.reduce((sum, u) => sum + u * u, 0) / K + EPS);
        const terms = Array.from(row, (u, k) => dy[m * K + k]! * weight[k]! * u);
        const c = (terms.reduce((sum, t) => sum + t, 0) * r * r) / K;
        const cMagnitude = (terms.reduce((sum, t) => sum + Math.abs(t), 0) * r * r) / K;
        for (let k = 0; k < K; k++) {
          const g = dy[m * K + k]!;
          expected[m * K + k]! += r * (g * weight[k]! - row[k]! * c);
          magnitude[m * K + k]! += r * (Math.abs(g * weight[k]!) + Math.abs(row[k]!) * cMagnitude);
          expected[M * K + k]! += g * row[k]! * r;
          magnitude[M * K + k]! += Math.abs(g * row[k]! * r);
        }
      }
      assertWithin(found, expected, (i) => (K / 4 + M + 20) * F32_EPSILON * magnitude[i]!, `M=${M} K=${K}`);
    }
  }
});

test("swiglu: gradients of gate and up, also where the gate is far below or above zero", () => {
  for (const F of [4, 8, 20, 48]) {
    for (const M of [0, 1, 3]) {
      const x = fill(2 * M * F, () => gaussian() * 10 ** (3 * random() - 1));
      for (const [i, gate] of [-300, -89, 0, 300].entries()) if (M > 0) x[i] = gate;
      const dy = fill(M * F, gaussian);
      const found = onBothBuilds(`M=${M} F=${F}`, (kernels) => {
        const [xAt, dyAt] = [kernels.put(x), kernels.put(dy)];
        halves(M, (begin, end) => kernels.run.swiglu_backward_f32(xAt, dyAt, F, begin, end));
        return kernels.f32(xAt, 2 * M * F);
      });
      const [expected, bounds] = [new Float64Array(x.length), new Float64Array(x.length)];
      for (let m = 0; m < M; m++) {
        for (let f = 0; f < F; f++) {
          const [gate, up] = [2 * m * F + f, 2 * m * F + F + f];
          const [g, u, d] = [x[gate]!, x[up]!, dy[m * F + f]!];
          const s = 1 / (1 + Math.exp(-g));
          expected[gate] = d * u * s * (1 + g * (1 - s));
          expected[up] = d * g * s;
          // 1 - s is off by the error of s, and g multiplies that.
          bounds[gate] = 8 * F32_EPSILON * Math.abs(d * u * s) * (1 + 2 * Math.abs(g)) + 2 ** -100;
          bounds[up] = 8 * F32_EPSILON * Math.abs(d * g * s) + 2 ** -100;
        }
      }
      assertWithin(found, expected, (i) => bounds[i]!, `M=${M} F=${F}`);
    }
  }
});

/** The definition in double precision, and for each element the sum of the magnitudes it came from. */
function attentionOracle(qkv: Float32Array, dy: Float32Array, M: number, H: number, Hkv: number, D: number, window: number) {
  const stride = (H + 2 * Hkv) * D;
  const [gradient, magnitude] = [new Float64Array(M * stride), new Float64Array(M * stride)];
  const add = (i: number, value: number, size: number) => {
    gradient[i]! += value;
    magnitude[i]! += size;
  };
  for (let h = 0; h < H; h++) {
    const kv = Math.floor(h / (H / Hkv));
    for (let m = 0; m < M; m++) {
      const first = window > 0 ? Math.max(0, m - window + 1) : 0;
      const tokens = Array.from({ length: m - first + 1 }, (_, j) => first + j);
      const dot = (a: Float32Array, i: number, b: Float32Array, j: number) =>
        Array.from({ length: D }, (_, d) => a[i + d]! * b[j + d]!).reduce((sum, t) => sum + t, 0);
      const [q, k, v] = [m * stride + h * D, (H + kv) * D, (H + Hkv + kv) * D];
      const s = tokens.map((j) => dot(qkv, q, qkv, j * stride + k) / Math.sqrt(D));
      const a = tokens.map((j) => dot(dy, (m * H + h) * D, qkv, j * stride + v));
      const exponentials = s.map((value) => Math.exp(value - Math.max(...s)));
      const total = exponentials.reduce((sum, e) => sum + e, 0);
      const p = exponentials.map((e) => e / total);
      const mean = p.reduce((sum, value, i) => sum + value * a[i]!, 0);
      const size = Math.max(...a.map(Math.abs));
      for (const [i, j] of tokens.entries()) {
        const e = (p[i]! * (a[i]! - mean)) / Math.sqrt(D);
        const eSize = (p[i]! * size) / Math.sqrt(D);
        for (let d = 0; d < D; d++) {
          const [query, key] = [qkv[q + d]!, qkv[j * stride + k + d]!];
          const g = dy[(m * H + h) * D + d]!;
          add(q + d, e * key, Math.abs(eSize * key));
          add(j * stride + k + d, e * query, Math.abs(eSize * query));
          add(j * stride + v + d, p[i]! * g, Math.abs(p[i]! * g));
        }
      }
    }
  }
  return { gradient, magnitude };
}

test("attention: queries, keys and values, shared heads, windows", () => {
  for (const [H, Hkv] of [
    [1, 1],
    [4, 2],
    [3, 1],
  ] as const) {
    // prettier-ignore
    for (const D of [8, 24, 64]) {
      for (const [M, window] of [[0, 0], [1, 0], [2, 0], [5, 0], [9, 0], [9, 1], [9, 4], [9, 30]] as const) { // prettier-ignore
        const stride = (H + 2 * Hkv) * D;
        const what = `H=${H} Hkv=${Hkv} D=${D} M=${M} window=${window}`;
        const [qkv, dy] = [fill(M * stride, gaussian), fill(M * H * D, gaussian)];
        const found = onBothBuilds(what, (kernels) => {
          const [qkvAt, dyAt, to] = [kernels.put(qkv), kernels.put(dy), kernels.region(4 * M * stride)];
          const scratch = kernels.region(8 * (M + 4));
          halves(Hkv, (begin, end) =>
            kernels.run.attention_backward_f32(qkvAt, dyAt, to, M, H, Hkv, D, window, begin, end, scratch),
          );
          return kernels.f32(to, M * stride);
        });
        const { gradient, magnitude } = attentionOracle(qkv, dy, M, H, Hkv, D, window);
        // Scores up to about 15 are off by that much in an exponential's argument.
        assertWithin(found, gradient, (i) => (2 * D + M + 60) * F32_EPSILON * magnitude[i]! + 2 ** -100, what);
      }
    }
  }
});

test("attention: large scores leave one token", () => {
  const [M, D] = [6, 8];
  const qkv = fill(M * 3 * D, () => 300 * gaussian());
  const dy = fill(M * D, gaussian);
  const found = onBothBuilds("large scores", (kernels) => {
    const [qkvAt, dyAt, to] = [kernels.put(qkv), kernels.put(dy), kernels.region(4 * M * 3 * D)];
    kernels.run.attention_backward_f32(qkvAt, dyAt, to, M, 1, 1, D, 0, 0, 1, kernels.region(8 * (M + 4)));
    return kernels.f32(to, M * 3 * D);
  });
  const { gradient } = attentionOracle(qkv, dy, M, 1, 1, D, 0);
  assertWithin(found, gradient, (i) => 1e-5 * (1 + Math.abs(gradient[i]!)), "large scores");
});

test("KL: softmax of one and difference of both, rows apart, equal rows give zero", () => {
  for (const V of [1, 2, 3, 4, 5, 8, 37]) {
    for (const M of [0, 1, 3]) {
      const [x, y] = [fill(M * V, () => 5 * gaussian()), fill(M * V, () => 5 * gaussian())];
      if (M > 1) y.set(x.subarray(0, V));
      const factor = Math.fround(0.37);
      const found = onBothBuilds(`M=${M} V=${V}`, (kernels) => {
        const [xAt, yAt] = [kernels.put(x), kernels.put(y)];
        halves(M, (begin, end) => kernels.run.kl_gradient_f32(xAt, yAt, factor, V, begin, end));
        return Float32Array.of(...kernels.f32(xAt, M * V), ...kernels.f32(yAt, M * V));
      });
      const softmaxOf = (logits: Float32Array) => {
        const rows = Array.from({ length: M }, (_, m) => Array.from(logits.subarray(m * V, (m + 1) * V)));
        return rows.flatMap((row) => {
          const e = row.map((value) => Math.exp(value - Math.max(...row)));
          return e.map((value) => value / e.reduce((sum, t) => sum + t, 0));
        });
      };
      const [p, q] = [softmaxOf(x), softmaxOf(y)];
      const expected = [...p, ...q.map((value, i) => (value - p[i]!) * factor)];
      assertWithin(found, expected, () => 40 * F32_EPSILON, `M=${M} V=${V}`);
      if (M > 1) assert.ok(found.subarray(M * V, M * V + V).every((value) => value === 0));
    }
  }
});

test.run();
