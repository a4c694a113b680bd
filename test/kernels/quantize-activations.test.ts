/** Quantization of activations against its definition in double precision, and against its twin. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { roundHalfEven } from "../oracle/round-half-even.ts";
import { mulberry32 } from "../random.ts";
import { KernelMemory, SIMD_BUILDS, type TestedBuild } from "./kernel-memory.ts";

const BUILDS: TestedBuild[] = ["scalar", ...SIMD_BUILDS];
const test = suite("quantize activations (seed 7)");
const random = mulberry32(7);

/**
 * The definition, rounded to float32 where it says so: the division. `|| 0` because an int8 has no -0 and NaN
 * counts as 0.
 */
function oracleRow(x: Float32Array, G: number, scale: number): { q: number[]; sums: number[] } {
  const q = Array.from(x, (v) => Math.max(-128, Math.min(127, roundHalfEven(Math.fround(v / scale)))) || 0);
  const sums = [];
  for (let k = 0; k < q.length; k += G) sums.push(q.slice(k, k + G).reduce((sum, v) => sum - 8 * v, 0) || 0);
  return { q, sums };
}

function regions(build: TestedBuild, x: Float32Array, M: number, K: number, G: number, misalign = 0) {
  const kernel = new KernelMemory(build);
  const at = {
    x: kernel.put(x, misalign),
    q: kernel.region(M * K, misalign),
    scales: kernel.region(4 * M, misalign),
    sums: kernel.region((4 * M * K) / G, misalign),
  };
  return { kernel, at };
}

for (const G of [16, 32, 64, 128]) {
  for (const groups of [1, 2, 3, 5]) {
    for (const M of [0, 1, 2, 7]) {
      const K = groups * G;
      test(`both equal the definition: M=${M} K=${K} G=${G}`, () => {
        const x = Float32Array.from({ length: M * K }, () => (random() - 0.5) * 10 ** (6 * random() - 3));
        if (M > 1) x.fill(0, K, 2 * K);
        const staticScale = Math.fround(0.02 + random());
        for (const build of BUILDS) {
          for (const dynamic of [true, false]) {
            const { kernel, at } = regions(build, x, M, K, G);
            if (dynamic) kernel.run.quantize_f32_qd8(at.x, at.q, at.scales, at.sums, K, G, 0, M);
            else kernel.run.quantize_f32_qs8(at.x, at.q, at.scales, at.sums, K, G, staticScale, 0, M);
            for (let m = 0; m < M; m++) {
              const row = x.subarray(m * K, (m + 1) * K);
              const absmax = row.reduce((max, v) => Math.max(max, Math.abs(v)), 0);
              const scale = dynamic ? Math.fround(absmax / 127) : staticScale;
              const expected = oracleRow(row, G, scale || 1);
              const what = `${build} ${dynamic ? "dynamic" : "static"} row ${m}`;
              assert.is(kernel.f32(at.scales + 4 * m, 1)[0], scale, `${what}: scale`);
              assert.equal([...kernel.i8(at.q + m * K, K)], expected.q, what);
              assert.equal([...kernel.i32(at.sums + 4 * m * groups, groups)], expected.sums, `${what}: sums`);
            }
            assert.ok(kernel.untouched(), `${build} wrote past the end of a region`);
          }
        }
      });
    }
  }
}

for (const K of [16, 48, 64, 576]) {
  test(`14 bits equal the definition: K=${K}`, () => {
    const M = 5;
    const x = Float32Array.from({ length: M * K }, () => (random() - 0.5) * 10 ** (6 * random() - 3));
    x.fill(0, K, 2 * K);
    // Where the scale itself is rounded to a subnormal number, quotients pass 8191.
    for (let k = 2 * K; k < 3 * K; k++) x[k] = Math.sign(random() - 0.5) * 2 ** -149 * 8191 * 1.4;
    for (const build of BUILDS) {
      const kernel = new KernelMemory(build);
      const [xAt, q, scales] = [kernel.put(x), kernel.region(2 * M * K), kernel.region(4 * M)];
      for (const [begin, end] of [[3, 5], [0, 3]] as const) kernel.run.quantize_f32_qd14(xAt, q, scales, K, begin, end); // prettier-ignore
      for (let m = 0; m < M; m++) {
        const row = x.subarray(m * K, (m + 1) * K);
        const scale = Math.fround(row.reduce((max, v) => Math.max(max, Math.abs(v)), 0) / 8191);
        const code = (v: number) => Math.max(-8191, Math.min(8191, roundHalfEven(Math.fround(v / (scale || 1))))) || 0;
        assert.is(kernel.f32(scales + 4 * m, 1)[0], scale, `${build} row ${m}: scale`);
        assert.equal([...kernel.i16(q + 2 * m * K, K)], Array.from(row, code), `${build} row ${m}`);
      }
      assert.ok(kernel.untouched(), `${build} wrote past the end of a region`);
    }
  });
}

test("14 bits: ties go to even, NaN counts as zero, an infinity makes the scale infinite and the row zero", () => {
  const ties = Float32Array.from({ length: 16 }, (_, i) => i - 7.5);
  [ties[0], ties[1]] = [-8191, Number.NaN];
  const infinite = Float32Array.from({ length: 16 }, (_, i) => (i === 9 ? Infinity : i));
  for (const build of BUILDS) {
    const kernel = new KernelMemory(build);
    const [q, scales] = [kernel.region(64), kernel.region(8)];
    kernel.run.quantize_f32_qd14(kernel.put(Float32Array.of(...ties, ...infinite)), q, scales, 16, 0, 2);
    assert.equal([...kernel.f32(scales, 2)], [1, Infinity], build);
    assert.equal([...kernel.i16(q, 16)], [-8191, 0, -6, -4, -4, -2, -2, 0, 0, 2, 2, 4, 4, 6, 6, 8], build);
    assert.ok(kernel.i16(q + 32, 16).every((code) => code === 0), build); // prettier-ignore
  }
});

test("ties go to even, static quantization saturates at 127, NaN counts as zero", () => {
  const x = new Float32Array(16).map((_, i) => i - 7.5);
  [x[0], x[7], x[8], x[15]] = [1e30, NaN, -0.4, -Infinity];
  for (const build of BUILDS) {
    const { kernel, at } = regions(build, x, 1, 16, 16);
    kernel.run.quantize_f32_qs8(at.x, at.q, at.scales, at.sums, 16, 16, 1, 0, 1);
    assert.equal([...kernel.i8(at.q, 16)], [127, -6, -6, -4, -4, -2, -2, 0, 0, 2, 2, 4, 4, 6, 6, -128], build);
  }
});

test("an infinity makes the dynamic scale infinite and the row zero, so that it reaches the logits as NaN", () => {
  const x = Float32Array.from({ length: 32 }, (_, i) => (i === 20 ? -Infinity : i));
  for (const build of BUILDS) {
    const { kernel, at } = regions(build, x, 1, 32, 16);
    kernel.run.quantize_f32_qd8(at.x, at.q, at.scales, at.sums, 32, 16, 0, 1);
    assert.is(kernel.f32(at.scales, 1)[0], Infinity, build);
    assert.equal(
      [...kernel.i8(at.q, 32)],
      Array.from({ length: 32 }, () => 0),
      build,
    );
  }
});

test("a range of rows writes these rows only, and ranges put together equal the whole", () => {
  const [M, K, G] = [5, 96, 32];
  const x = Float32Array.from({ length: M * K }, () => random() - 0.5);
  for (const build of BUILDS) {
    const whole = regions(build, x, M, K, G);
    whole.kernel.run.quantize_f32_qd8(whole.at.x, whole.at.q, whole.at.scales, whole.at.sums, K, G, 0, M);
    const { kernel, at } = regions(build, x, M, K, G);
    kernel.run.quantize_f32_qd8(at.x, at.q, at.scales, at.sums, K, G, 2, 5);
    assert.ok(
      kernel.bytes(at.q, 2 * K).every((byte) => byte === 0xa5),
      `${build}: rows before the range`,
    );
    kernel.run.quantize_f32_qd8(at.x, at.q, at.scales, at.sums, K, G, 0, 2);
    assert.equal(kernel.i8(at.q, M * K), whole.kernel.i8(whole.at.q, M * K), build);
    assert.equal(kernel.f32(at.scales, M), whole.kernel.f32(whole.at.scales, M), build);
    assert.equal(kernel.i32(at.sums, (M * K) / G), whole.kernel.i32(whole.at.sums, (M * K) / G), build);
  }
});

test("alignment changes nothing", () => {
  const [M, K, G] = [2, 64, 32];
  const x = Float32Array.from({ length: M * K }, () => random() - 0.5);
  const results = [0, 4, 12].map((misalign) => {
    const { kernel, at } = regions("simd128", x, M, K, G, misalign);
    kernel.run.quantize_f32_qd8(at.x, at.q, at.scales, at.sums, K, G, 0, M);
    assert.ok(kernel.untouched(), "wrote past the end of a region");
    return [kernel.i8(at.q, M * K), kernel.i32(at.sums, (M * K) / G)];
  });
  assert.equal(results[1], results[0]);
  assert.equal(results[2], results[0]);
});

test.run();
