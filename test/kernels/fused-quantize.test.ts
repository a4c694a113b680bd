/**
 * Kernels that quantize what they make: against their definition in double precision, against their twins,
 * and bit for bit against the kernels they stand for, one after the other.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { NULL } from "../../src/kernels/pointer.ts";
import { assertWithin, F32_EPSILON } from "../oracle/compare.ts";
import { mulberry32, normal } from "../random.ts";
import { fill, onBothBuilds } from "./both-builds.ts";
import { halves, Outputs, quantize, type Range, type Shape, SHAPES, STATIC_SCALE } from "./quantized-outputs.ts";

const random = mulberry32(29);
const gaussian = normal(random);
const test = suite("norm and SwiGLU with quantization (seed 29)");
const EPS = Math.fround(1e-5);
/** @param residual none if undefined */
function norm(
  shape: Shape,
  x: Float32Array,
  residual: Float32Array | undefined,
  weight: Float32Array,
  dynamic: boolean,
  how: readonly Range[] | "unfused",
): Int32Array {
  const { M, K, G } = shape;
  return onBothBuilds(`norm, M=${M} K=${K} G=${G}`, (kernels) => {
    const { run } = kernels;
    const [xAt, weightAt] = [kernels.put(x, 4), kernels.put(weight)];
    const residualAt = residual ? kernels.put(residual, 8) : NULL;
    const out = new Outputs(kernels, shape);
    if (how === "unfused") {
      const normed = kernels.region(4 * M * K);
      if (residual) run.add_f32(xAt, residualAt, K, 0, M);
      run.rmsnorm_f32(xAt, weightAt, normed, M, K, EPS, 0, M);
      quantize(kernels, normed, out, shape, dynamic);
    } else {
      for (const [begin, end] of how) {
        const { q, scales, sums } = out;
        const scale = dynamic ? 0 : STATIC_SCALE;
        run.rmsnorm_f32_qd8(xAt, residualAt, weightAt, q, scales, sums, K, G, EPS, scale, begin, end);
      }
    }
    return out.words(xAt);
  });
}

function swiglu(shape: Shape, x: Float32Array, dynamic: boolean, how: readonly Range[] | "unfused"): Int32Array {
  const { M, K, G } = shape;
  return onBothBuilds(`swiglu, M=${M} F=${K} G=${G}`, (kernels) => {
    const { run } = kernels;
    const xAt = kernels.put(x, 4);
    const out = new Outputs(kernels, shape);
    if (how === "unfused") {
      const activated = kernels.region(4 * M * K);
      run.swiglu_f32(xAt, activated, K, 2 * K, 0, M);
      quantize(kernels, activated, out, shape, dynamic);
    } else {
      for (const [begin, end] of how) {
        const { q, scales, sums } = out;
        run.swiglu_f32_qd8(xAt, q, scales, sums, K, G, 2 * K, dynamic ? 0 : STATIC_SCALE, begin, end);
      }
    }
    return out.words(NULL);
  });
}

/**
 * q * scale is a to half a step, and what a itself lost: `error`. A dynamic scale is the largest |a| / 127,
 * to that error; a static one saturates. The sums are those of q, exactly.
 */
function assertQuantized(
  words: Int32Array,
  a: Float64Array,
  error: number,
  { M, K, G }: Shape,
  dynamic: boolean,
  what: string,
): void {
  const q = new Int8Array(words.buffer, words.byteOffset, M * K);
  const scales = new Float32Array(words.buffer, words.byteOffset + M * K, M);
  const sums = words.subarray((M * K) / 4 + M, (M * K) / 4 + M + (M * K) / G);
  for (let m = 0; m < M; m++) {
    const row = a.subarray(m * K, (m + 1) * K);
    const absmax = row.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
    const scale = scales[m]!;
    if (dynamic) assertWithin([scale], [absmax / 127], () => ((error + 2 * F32_EPSILON) * absmax) / 127, `${what}: scale`);
    else assert.is(scale, STATIC_SCALE);
    const expected = row.map((value) => Math.max(-128 * scale, Math.min(127 * scale, value)));
    const real = Array.from(q.subarray(m * K, (m + 1) * K), (value) => value * scale);
    assertWithin(real, expected, (k) => scale * (0.5 + 2 ** -15) + error * Math.abs(row[k]!), `${what}: row ${m}`);
  }
  const expectedSums = Array.from(sums, (_, g) => -8 * q.subarray(g * G, (g + 1) * G).reduce((sum, value) => sum + value, 0));
  assert.equal([...sums], expectedSums.map((sum) => sum || 0), `${what}: sums`); // prettier-ignore
}

for (const dynamic of [true, false]) {
  const kind = dynamic ? "dynamic" : "static";
  test(`${kind} norm equals its definition, and add, norm and quantize in turn, with and without a residual`, () => {
    for (const shape of SHAPES) {
      const { M, K } = shape;
      const what = `${kind} M=${M} K=${K} G=${shape.G}`;
      const x = fill(M * K, () => gaussian() * 10 ** (4 * random() - 2));
      const residual = fill(M * K, () => gaussian() * 10 ** (4 * random() - 2));
      if (M > 1) x.fill(0, K, 2 * K);
      if (M > 1) residual.fill(0, K, 2 * K);
      const weight = fill(K, gaussian);
      for (const added of [undefined, residual]) {
        const fused = norm(shape, x, added, weight, dynamic, [[0, M]]);
        assert.equal(fused, norm(shape, x, added, weight, dynamic, "unfused"), `${what}: unfused`);
        assert.equal(fused, norm(shape, x, added, weight, dynamic, halves(M)), `${what}: in ranges`);
        // The residual stream as the kernel left it is what its rounded sums are.
        const sums = x.map((value, i) => value + (added?.[i] ?? 0));
        const stored = new Float32Array(fused.buffer, fused.byteOffset + 4 * (fused.length - M * K), M * K);
        assert.equal(stored, sums, `${what}: x`);
        const a = new Float64Array(M * K);
        for (let m = 0; m < M; m++) {
          const row = Float64Array.from(sums.subarray(m * K, (m + 1) * K));
          const rms = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0) / K + EPS);
          row.forEach((value, k) => (a[m * K + k] = (value / rms) * weight[k]!));
        }
        // The bound of test/kernels/rmsnorm.test.ts.
        assertQuantized(fused, a, ((Math.ceil(K / 16) + 7) / 2 + 4.01) * F32_EPSILON, shape, dynamic, what);
      }
    }
  });

  test(`${kind} SwiGLU equals its definition, and swiglu and quantize in turn`, () => {
    for (const shape of SHAPES) {
      const { M, K: F } = shape;
      const what = `${kind} M=${M} F=${F} G=${shape.G}`;
      const x = fill(2 * M * F, () => 2 * gaussian());
      if (M > 1) x.fill(0, 2 * F, 4 * F);
      const fused = swiglu(shape, x, dynamic, [[0, M]]);
      assert.equal(fused, swiglu(shape, x, dynamic, "unfused"), `${what}: unfused`);
      assert.equal(fused, swiglu(shape, x, dynamic, halves(M)), `${what}: in ranges`);
      const gate = (i: number) => x[Math.floor(i / F) * 2 * F + (i % F)]!;
      const a = Float64Array.from({ length: M * F }, (_, i) => (gate(i) / (1 + Math.exp(-gate(i)))) * x[Math.floor(i / F) * 2 * F + F + (i % F)]!); // prettier-ignore
      // The bound of test/kernels/elementwise.test.ts.
      assertQuantized(fused, a, 5.01 * F32_EPSILON, shape, dynamic, what);
    }
  });
}

test("norm to 14 bits equals its definition, and add, norm and quantize in turn", () => {
  for (const { M, K } of SHAPES) {
    const [x, residual] = [fill(M * K, gaussian), fill(M * K, () => gaussian() * 10 ** (4 * random() - 2))];
    if (M > 1) for (const row of [x, residual]) row.fill(0, K, 2 * K);
    const weight = fill(K, gaussian);
    for (const added of [undefined, residual]) {
      const run = (how: readonly Range[] | "unfused") =>
        onBothBuilds(`norm to 14 bits, M=${M} K=${K}`, (kernels) => {
          const [xAt, weightAt] = [kernels.put(x, 4), kernels.put(weight)];
          const residualAt = added ? kernels.put(added, 8) : NULL;
          const [q, scales] = [kernels.region(2 * M * K), kernels.region(4 * M)];
          if (how === "unfused") {
            const normed = kernels.region(4 * M * K);
            if (added) kernels.run.add_f32(xAt, residualAt, K, 0, M);
            kernels.run.rmsnorm_f32(xAt, weightAt, normed, M, K, EPS, 0, M);
            kernels.run.quantize_f32_qd14(normed, q, scales, K, 0, M);
          } else {
            for (const [begin, end] of how)
              kernels.run.rmsnorm_f32_qd14(xAt, residualAt, weightAt, q, scales, K, EPS, begin, end);
          }
          const words = [kernels.i32(q, (M * K) / 2), kernels.i32(scales, M), kernels.i32(xAt, M * K)];
          return Int32Array.from(words.flatMap((part) => Array.from(part)));
        });
      const fused = run([[0, M]]);
      const what = `M=${M} K=${K}`;
      assert.equal(fused, run("unfused"), `${what}: unfused`);
      assert.equal(fused, run(halves(M)), `${what}: in ranges`);
      const q = new Int16Array(fused.buffer, fused.byteOffset, M * K);
      const scales = new Float32Array(fused.buffer, fused.byteOffset + 2 * M * K, M);
      // The bound of test/kernels/rmsnorm.test.ts.
      const error = ((Math.ceil(K / 16) + 7) / 2 + 4.01) * F32_EPSILON;
      for (let m = 0; m < M; m++) {
        const sums = Float64Array.from(x.subarray(m * K, (m + 1) * K), (value, k) =>
          Math.fround(value + (added?.[m * K + k] ?? 0)),
        );
        const rms = Math.sqrt(sums.reduce((sum, value) => sum + value * value, 0) / K + EPS);
        const a = sums.map((value, k) => (value / rms) * weight[k]!);
        const absmax = a.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
        const scale = scales[m]!;
        assertWithin([scale], [absmax / 8191], () => ((error + 2 * F32_EPSILON) * absmax) / 8191, `${what}: scale`);
        const real = Array.from(q.subarray(m * K, (m + 1) * K), (value) => value * scale);
        // Half a step, and what float division loses of a quotient up to 8191.
        assertWithin(real, a, (k) => scale * (0.5 + 2 ** -9) + error * Math.abs(a[k]!), `${what}: row ${m}`);
      }
    }
  }
});

test("NaN counts as zero, an infinity makes the scale infinite or saturates", () => {
  const shape = { M: 1, K: 32, G: 16 };
  const weight = fill(32, () => 1);
  const x = fill(64, () => 1);
  x[3] = Number.NaN;
  x[7] = Infinity;
  for (const dynamic of [true, false]) {
    assert.equal(norm(shape, x.subarray(0, 32), undefined, weight, dynamic, [[0, 1]]), norm(shape, x.subarray(0, 32), undefined, weight, dynamic, "unfused")); // prettier-ignore
    const words = swiglu(shape, x, dynamic, [[0, 1]]);
    assert.equal(words, swiglu(shape, x, dynamic, "unfused"));
    const [q, [scale]] = [new Int8Array(words.buffer, 0, 32), new Float32Array(words.buffer, 32, 1)];
    assert.equal([q[3], q[7], scale], dynamic ? [0, 0, Infinity] : [0, 127, STATIC_SCALE]);
  }
});

test("swiglu of rows that hold more than gate and up", () => {
  const [M, K, G, stride] = [5, 48, 16, 96 + 7];
  const x = fill(M * stride, gaussian);
  const packed = fill(M * 2 * K, () => 0).map((_, i) => x[Math.floor(i / (2 * K)) * stride + (i % (2 * K))]!);
  const expected = swiglu({ M, K, G }, packed, true, [[0, M]]);
  const found = onBothBuilds("stride", (kernels) => {
    const out = new Outputs(kernels, { M, K, G });
    const { q, scales, sums } = out;
    kernels.run.swiglu_f32_qd8(kernels.put(x), q, scales, sums, K, G, stride, 0, 0, M);
    return out.words(NULL);
  });
  assert.equal(found, expected);
});

test.run();
