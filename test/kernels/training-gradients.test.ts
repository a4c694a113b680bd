/** Kernels of the way back that rest on no other: transposed matrices, static ranges, Jensen and Shannon. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { assertSameBits, assertWithin, F32_EPSILON } from "../oracle/compare.ts";
import { roundHalfEven } from "../oracle/round-half-even.ts";
import { mulberry32, normal } from "../random.ts";
import { fill, onBothBuilds } from "./both-builds.ts";
import { putPanels, randomWeights } from "./packed-weights.ts";

const SEED = 47;
const random = mulberry32(SEED);
const gaussian = normal(random);
const test = suite(`gradients of training (seed ${SEED})`);

/** Halves of the units, the second first: what two threads do, in the worst order. */
function halves(units: number, run: (begin: number, end: number) => void): void {
  run(units >> 1, units);
  run(0, units >> 1);
}

/** f32w panels of [rows, columns] (`assembly/layouts/layout.ts`), zero where there is no row. */
function panelsOf(at: (row: number, column: number) => number, rows: number, columns: number): Float32Array {
  const packed = new Float32Array(Math.ceil(rows / 8) * 8 * columns);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) packed[(Math.floor(r / 8) * columns + c) * 8 + (r % 8)] = at(r, c);
  }
  return packed;
}

test("transposed floats, as they lie and in panels", () => {
  for (const N of [1, 7, 8, 9, 19]) {
    for (const K of [1, 3, 8, 12, 24]) {
      const w = fill(N * K, gaussian);
      const plain = onBothBuilds(`N=${N} K=${K}`, (kernels) => {
        const [from, to] = [kernels.put(w, 4), kernels.region(4 * N * K)];
        halves(N, (begin, end) => kernels.run.transpose_f32(from, to, N, K, begin, end));
        return kernels.f32(to, N * K);
      });
      assertSameBits(
        plain,
        Float32Array.from({ length: N * K }, (_, i) => w[(i % N) * K + Math.floor(i / N)]!),
        `N=${N} K=${K}`,
      );
      const packed = onBothBuilds(`panels N=${N} K=${K}`, (kernels) => {
        const from = kernels.put(panelsOf((n, k) => w[n * K + k]!, N, K));
        const to = kernels.region(kernels.run.packed_bytes_f32w(K, N));
        halves(Math.ceil(N / 8), (begin, end) => kernels.run.transpose_f32w_f32w(from, to, N, K, begin, end));
        return kernels.f32(to, Math.ceil(K / 8) * 8 * N);
      });
      assertSameBits(
        packed,
        panelsOf((k, n) => w[n * K + k]!, K, N),
        `panels N=${N} K=${K}`,
      );
    }
  }
});

test("transposed 8-bit weights: each is a code times its channel's scale, rounded once", () => {
  for (const N of [1, 7, 8, 9, 19]) {
    for (const K of [16, 48, 2064]) {
      const weights = randomWeights(random, N, K, K, 8);
      const found = onBothBuilds(`N=${N} K=${K}`, (kernels) => {
        const [w, to] = [putPanels(kernels, weights, 8), kernels.region(kernels.run.packed_bytes_f32w(K, N))];
        halves(Math.ceil(N / 8), (begin, end) => kernels.run.transpose_qc8w_f32w(w, to, N, K, begin, end));
        return kernels.f32(to, K * N);
      });
      const expected = panelsOf((k, n) => Math.fround(weights.q[n * K + k]! * weights.scales[n]!), K, N);
      assert.equal(Array.from(found, (v) => v + 0), Array.from(expected, (v) => v + 0)); // prettier-ignore
    }
  }
});

test("a static range: what passes, and the gradient of the scale's logarithm", () => {
  const scale = Math.fround(0.013);
  for (const K of [4, 8, 20, 192]) {
    for (const [M, stride] of [
      [0, K],
      [1, K],
      [3, K],
      [3, K + 24],
    ] as const) {
      // prettier-ignore
      const what = `M=${M} K=${K} stride=${stride}`;
      const x = fill(M * stride, () => 1.4 * gaussian());
      // Ties, both ends of the range and what is just beyond them.
      for (const [i, u] of [0.5, 1.5, -0.5, 127, 127.4, 127.6, -128, -128.4, -128.6, 0].entries()) if (M > 0 && i < K) x[i] = u * scale; // prettier-ignore
      const dx = fill(M * stride, gaussian);
      const found = onBothBuilds(what, (kernels) => {
        const [xAt, dxAt, sums] = [kernels.put(x), kernels.put(dx), kernels.region(8 * M)];
        halves(M, (begin, end) => kernels.run.range_gradient_f32(xAt, dxAt, sums, K, stride, scale, begin, end));
        return Float64Array.of(...kernels.f64(sums, M), ...kernels.f32(dxAt, M * stride));
      });
      const rounded = onBothBuilds(`${what}: rounded`, (kernels) => {
        const [xAt, to] = [kernels.put(x), kernels.put(x)];
        halves(M, (begin, end) => kernels.run.round_range_f32(xAt, to, K, stride, scale, begin, end));
        return kernels.f32(to, M * stride);
      });
      const within = (i: number) => i % stride < K;
      const codeOf = (value: number) => Math.min(127, Math.max(-128, roundHalfEven(Math.fround(value / scale))));
      const left = Array.from(x, (value, i) => (within(i) ? Math.fround(scale * codeOf(value)) : value));
      assert.equal(Array.from(rounded, (v) => v + 0), left.map((v) => v + 0)); // prettier-ignore
      const [sums, passed] = [new Float64Array(M), Float64Array.from(dx)];
      const magnitude = new Float64Array(M);
      for (let m = 0; m < M; m++) {
        for (let i = m * stride; i < m * stride + K; i++) {
          const u = Math.fround(x[i]! / scale);
          const code = Math.min(127, Math.max(-128, roundHalfEven(u)));
          const isWithin = code === roundHalfEven(u);
          if (!isWithin) passed[i] = 0;
          sums[m]! += scale * dx[i]! * (isWithin ? code - u : code);
          magnitude[m]! += scale * Math.abs(dx[i]!) * 128;
        }
      }
      assertWithin(found, [...sums, ...passed], (i) => (i < M ? F32_EPSILON * magnitude[i]! : 0), what);
      if (M > 0 && K >= 20) assert.ok(passed.some((value) => value === 0), "something lies beyond the range"); // prettier-ignore
    }
  }
});

test("Jensen-Shannon: divergence and gradient, tokens ruled out by either, equal rows give zero", () => {
  for (const V of [1, 2, 3, 4, 5, 8, 37]) {
    for (const M of [0, 1, 3, 4]) {
      const what = `M=${M} V=${V}`;
      const [x, y] = [fill(M * V, () => 5 * gaussian()), fill(M * V, () => 5 * gaussian())];
      if (M > 1) y.set(x.subarray(0, V));
      if (M > 2 && V > 2) {
        x.fill(-Infinity, V, V + 1);
        y.fill(-200, V + 1, V + 2);
        x[2 * V] = 300; // all but one token of row 2 underflow
        y[2 * V + 1] = 300;
      }
      const factor = Math.fround(0.37);
      const found = onBothBuilds(what, (kernels) => {
        const [xAt, yAt, losses] = [kernels.put(x), kernels.put(y), kernels.region(8 * M)];
        halves(M, (begin, end) => kernels.run.jsd_gradient_f32(xAt, yAt, losses, factor, V, begin, end));
        return Float64Array.of(...kernels.f64(losses, M), ...kernels.f32(yAt, M * V));
      });
      const expected = new Float64Array(M + M * V);
      for (let m = 0; m < M; m++) {
        const softmax = (logits: Float32Array) => {
          const row = Array.from(logits.subarray(m * V, (m + 1) * V));
          const e = row.map((value) => Math.exp(value - Math.max(...row)));
          return e.map((value) => value / e.reduce((sum, t) => sum + t, 0));
        };
        const [p, q] = [softmax(x), softmax(y)];
        const divergence = (a: number[], b: number[]) =>
          a.reduce((sum, value, v) => sum + (value === 0 ? 0 : value * Math.log((2 * value) / (value + b[v]!))), 0);
        const ofStudent = divergence(q, p);
        expected[m] = (divergence(p, q) + ofStudent) / 2;
        assert.ok(expected[m]! <= Math.LN2 + 1e-12);
        for (let v = 0; v < V; v++) {
          const share = q[v] === 0 ? 0 : Math.log((2 * q[v]!) / (p[v]! + q[v]!));
          expected[M + m * V + v] = (q[v]! * (share - ofStudent) * factor) / 2;
        }
      }
      assertWithin(found, expected, () => 60 * F32_EPSILON, what);
      if (M > 1) assert.ok(found[0] === 0 && found.subarray(M, M + V).every((value) => value === 0), "equal rows");
    }
  }
});

test.run();
