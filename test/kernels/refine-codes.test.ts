import { suite } from "uvu";
import * as assert from "uvu/assert";
import { nearestCode } from "../oracle/code-grid.ts";
import { assertWithin } from "../oracle/compare.ts";
import { quadraticForm } from "../oracle/gptq.ts";
import { roundHalfEven } from "../oracle/round-half-even.ts";
import { mulberry32, normal } from "../random.ts";
import { NULL } from "../../src/kernels/pointer.ts";
import { fill, onBothBuilds } from "./both-builds.ts";

const random = mulberry32(71);
const gaussian = normal(random);
const test = suite("refinement of codes and scales (seed 71)");

/** Positive definite, channels of very different size that move together. */
function hessian(K: number): Float64Array {
  const size = fill(K, () => Math.exp(gaussian()));
  const rows = Array.from({ length: 2 * K }, () => {
    const shared = gaussian();
    return size.map((s) => s * (gaussian() + shared));
  });
  return Float64Array.from({ length: K * K }, (_, ij) => {
    const [i, j] = [Math.floor(ij / K), ij % K];
    return rows.reduce((sum, x) => sum + x[i]! * x[j]!, i === j ? 1 : 0) / rows.length;
  });
}

interface Problem {
  readonly N: number;
  readonly K: number;
  readonly G: number;
  readonly top: number;
  readonly passes: number;
  readonly w: Float32Array;
  readonly h: Float64Array;
  readonly scales: Float32Array;
  readonly codes: Int8Array;
}

function refine({ N, K, G, top, passes, w, h, scales, codes }: Problem, split = false, type = 0) {
  const panels = Math.ceil(N / 8);
  const all = onBothBuilds(`N=${N} K=${K} G=${G} passes=${passes}`, (kernels) => {
    const stride = K + 8;
    const padded = new Float64Array(K * stride);
    for (let i = 0; i < K; i++) padded.set(h.subarray(i * K, (i + 1) * K), i * stride);
    const [wAt, hAt, sAt, qAt] = [kernels.put(w, 4), kernels.put(padded), kernels.put(scales, 4), kernels.put(codes, 1)];
    const [errors, gradients, scratch] = [kernels.region(64 * panels * K), kernels.region(64 * panels * K), kernels.region(128 + 192 * G)]; // prettier-ignore
    for (let p = 0; p < panels; p += split ? 1 : panels) {
      kernels.run.refine_codes_f32(wAt, hAt, sAt, NULL, NULL, qAt, errors, gradients, N, K, stride, G, top, type, passes, p, split ? p + 1 : panels, scratch); // prettier-ignore
    }
    return Float64Array.of(...kernels.f32(sAt, scales.length), ...kernels.i8(qAt, N * K), ...kernels.f64(errors, 8 * panels * K));
  });
  return {
    scales: all.subarray(0, scales.length),
    codes: all.subarray(scales.length, scales.length + N * K),
    errors: all.subarray(scales.length + N * K),
  };
}

/** The same from the definition: every step with the whole gradient computed anew. */
function refineRow(
  w: Float32Array,
  h: Float64Array,
  K: number,
  G: number,
  top: number,
  passes: number,
  s: number[],
  q: number[],
): void {
  const error = () => Array.from(w, (value, k) => value - s[Math.floor(k / G)]! * q[k]!);
  const gradient = (e: number[], k: number) => e.reduce((sum, value, j) => sum + h[k * K + j]! * value, 0);
  for (let pass = 0; pass < passes; pass++) {
    for (let group = 0; group < K / G; group++) {
      const columns = Array.from({ length: G }, (_, c) => group * G + c);
      const e = error();
      const gain = columns.reduce((sum, k) => sum + q[k]! * gradient(e, k), 0);
      const curvature = columns.reduce((sum, i) => sum + columns.reduce((t, j) => t + q[i]! * h[i * K + j]! * q[j]!, 0), 0);
      const after = Math.fround(s[group]! + gain / curvature);
      const change = after - s[group]!;
      if (curvature > 0 && after !== 0 && change ** 2 * curvature < 2 * change * gain) s[group] = after;
      for (const k of columns) {
        const target = q[k]! + gradient(error(), k) / (h[k * K + k]! * s[group]!);
        q[k] = nearestCode(target, top);
      }
    }
  }
}

function problem(N: number, K: number, G: number, top: number, passes: number): Problem {
  const w = fill(N * K, gaussian);
  const scales = fill((N * K) / G, () => ((random() < 0.5 ? -1 : 1) * ((0.3 + 0.1 * random()) * 7)) / top);
  const codes = Int8Array.from(w, (value, i) => nearestCode(value / scales[Math.floor(i / G)]!, top));
  return { N, K, G, top, passes, w, h: hessian(K), scales, codes };
}

const SHAPES = [
  [1, 32, 32],
  [3, 64, 32],
  [8, 64, 64],
  [9, 96, 32],
  [17, 64, 16],
] as const;

for (const top of [7, 127, 12]) {
  test(`top ${top}: scales and codes are those of the definition, and no pass raises the error`, () => {
    for (const [N, K, G] of SHAPES) {
      for (const passes of [1, 3]) {
        const given = problem(N, K, G, top, passes);
        const { scales, codes, errors } = refine(given);
        assert.equal(refine(given, true), { scales, codes, errors }, "in parts");
        for (let n = 0; n < N; n++) {
          const row = given.w.subarray(n * K, (n + 1) * K);
          const s = [...given.scales.subarray((n * K) / G, ((n + 1) * K) / G)];
          const q = [...given.codes.subarray(n * K, (n + 1) * K)];
          const e = (step: ArrayLike<number>, code: ArrayLike<number>) =>
            Float64Array.from(row, (value, k) => value - step[Math.floor(k / G)]! * code[k]!);
          const before = quadraticForm(e(s, q), given.h, K);
          refineRow(row, given.h, K, G, top, passes, s, q);
          const [found, foundCodes] = [scales.subarray((n * K) / G, ((n + 1) * K) / G), codes.subarray(n * K, (n + 1) * K)];
          assert.equal([...foundCodes].map((c) => c + 0), q.map((c) => c + 0), `row ${n} of ${N}x${K}`); // prettier-ignore
          assertWithin(found, Float64Array.from(s), (g) => 4e-7 * Math.abs(s[g]!), "scales");
          const after = quadraticForm(e(found, foundCodes), given.h, K);
          assert.ok(after <= before * (1 + 1e-9), `row ${n}: ${before} became ${after}`);
          const kept = Float64Array.from(row, (_, k) => errors[(Math.floor(n / 8) * K + k) * 8 + (n % 8)]!);
          assertWithin(kept, e(found, foundCodes), () => 1e-9, "errors");
        }
      }
    }
  });
}

/** Weights in two levels: w ~ s u - m, s and m whole multiples of a row's quanta. */
interface LevelProblem extends Problem {
  readonly lows: Float32Array;
  readonly quanta: Float32Array;
}

function levelProblem(N: number, K: number, passes: number): LevelProblem {
  const given = problem(N, K, 32, 7, passes);
  const groups = (N * K) / 32;
  const quanta = fill(2 * groups, () => 0);
  const [scales, lows] = [new Float32Array(groups), new Float32Array(groups)];
  for (let g = 0; g < groups; g++) {
    // In a row turned over both are negative.
    const sign = Math.floor((32 * g) / K) % 3 === 1 ? -1 : 1;
    quanta.set([sign * 0.002, sign * 0.01], 2 * g);
    scales[g] = quanta[2 * g]! * Math.floor(100 + 80 * random());
    lows[g] = quanta[2 * g + 1]! * Math.floor(150 + 80 * random());
  }
  const codes = Int8Array.from(given.w, (value, i) => {
    const g = Math.floor(i / 32);
    return nearestCode((value + lows[g]!) / scales[g]! - 8, 7);
  });
  return { ...given, scales, codes, lows, quanta };
}

function refineLevels({ N, K, passes, w, h, scales, lows, quanta, codes }: LevelProblem, split = false) {
  const panels = Math.ceil(N / 8);
  const all = onBothBuilds(`levels N=${N} K=${K} passes=${passes}`, (kernels) => {
    const stride = K + 8;
    const padded = new Float64Array(K * stride);
    for (let i = 0; i < K; i++) padded.set(h.subarray(i * K, (i + 1) * K), i * stride);
    const [wAt, hAt, sAt, mAt] = [kernels.put(w, 4), kernels.put(padded), kernels.put(scales, 4), kernels.put(lows, 4)];
    const [uAt, qAt, errors] = [kernels.put(quanta, 4), kernels.put(codes, 1), kernels.region(64 * panels * K)];
    const [gradients, scratch] = [kernels.region(64 * panels * K), kernels.region(128 + 192 * 32)];
    for (let p = 0; p < panels; p += split ? 1 : panels) {
      kernels.run.refine_codes_f32(wAt, hAt, sAt, mAt, uAt, qAt, errors, gradients, N, K, stride, 32, 7, 0, passes, p, split ? p + 1 : panels, scratch); // prettier-ignore
    }
    return Float64Array.of(...kernels.f32(sAt, scales.length), ...kernels.f32(mAt, lows.length), ...kernels.i8(qAt, N * K));
  });
  const groups = scales.length;
  return { scales: all.subarray(0, groups), lows: all.subarray(groups, 2 * groups), codes: all.subarray(2 * groups) };
}

/** The same of one row from the definition, every step with the whole gradient computed anew. */
function refineLevelRow(given: LevelProblem, n: number): { s: number[]; m: number[]; q: number[] } {
  const { K, h, passes } = given;
  const groups = K / 32;
  const part = (values: ArrayLike<number>, size: number) => Array.from({ length: size }, (_, i) => values[n * size + i]!);
  const [w, s, m, q] = [part(given.w, K), part(given.scales, groups), part(given.lows, groups), part(given.codes, K)];
  const gradient = (k: number) =>
    w.reduce((sum, value, j) => sum + h[k * K + j]! * (value - (s[j >> 5]! * (q[j]! + 8) - m[j >> 5]!)), 0);
  const refit = (values: number[], g: number, which: 0 | 1, by: (k: number) => number) => {
    const columns = Array.from({ length: 32 }, (_, c) => 32 * g + c);
    const gain = columns.reduce((sum, k) => sum + by(k) * gradient(k), 0);
    const curvature = columns.reduce((sum, i) => sum + columns.reduce((t, j) => t + by(i) * h[i * K + j]! * by(j), 0), 0);
    const quantum = given.quanta[2 * (n * groups + g) + which]!;
    const level = Math.min(255, Math.max(1 - which, roundHalfEven((values[g]! + gain / curvature) / quantum)));
    const change = Math.fround(level * quantum) - values[g]!;
    if (change ** 2 * curvature < 2 * change * gain) values[g] = Math.fround(level * quantum);
  };
  for (let pass = 0; pass < passes; pass++) {
    for (let g = 0; g < groups; g++) {
      refit(s, g, 0, (k) => q[k]! + 8);
      refit(m, g, 1, () => -1);
      for (let k = 32 * g; k < 32 * (g + 1); k++) q[k] = nearestCode(q[k]! + gradient(k) / (h[k * K + k]! * s[g]!), 7);
    }
  }
  return { s, m, q };
}

test("in two levels, scales, minima and codes are those of the definition, and the error falls", () => {
  for (const [N, K] of [[1, 32], [3, 64], [9, 96]] as const) {
    for (const passes of [1, 3]) {
      const given = levelProblem(N, K, passes);
      const found = refineLevels(given);
      assert.equal(refineLevels(given, true), found, "in parts");
      const error = (n: number, s: ArrayLike<number>, m: ArrayLike<number>, q: ArrayLike<number>) =>
        quadraticForm(
          Float64Array.from({ length: K }, (_, k) => {
            const g = (n * K + k) >> 5;
            return given.w[n * K + k]! - (s[g]! * (q[n * K + k]! + 8) - m[g]!);
          }),
          given.h,
          K,
        );
      for (let n = 0; n < N; n++) {
        const { s, m, q } = refineLevelRow(given, n);
        const groups = K / 32;
        assert.equal([...found.scales.subarray(n * groups, (n + 1) * groups)], s, `row ${n} of ${N}x${K}`);
        assert.equal([...found.lows.subarray(n * groups, (n + 1) * groups)].map((x) => x + 0), m.map((x) => x + 0));
        assert.equal([...found.codes.subarray(n * K, (n + 1) * K)].map((c) => c + 0), q.map((c) => c + 0)); // prettier-ignore
        const [before, after] = [error(n, given.scales, given.lows, given.codes), error(n, found.scales, found.lows, found.codes)];
        assert.ok(after < before, `${before} became ${after}`);
      }
    }
  } // prettier-ignore
});

test("with no pass nothing changes", () => {
  const given = problem(5, 64, 32, 7, 0);
  const { scales, codes } = refine(given);
  assert.equal([...scales], [...given.scales]);
  assert.equal([...codes], [...given.codes]);
});

test("a row of zeros keeps its scale", () => {
  const given = { ...problem(1, 32, 32, 7, 2), w: new Float32Array(32), scales: Float32Array.of(1), codes: new Int8Array(32) };
  const { scales, codes } = refine(given);
  assert.equal([scales[0], Math.max(...codes)], [1, 0]);
});

test.run();
