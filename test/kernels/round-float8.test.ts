/** Rounding to 8-bit floats against the table of all their codes, and against its twin. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FLOAT8_FORMATS, type Float8Name } from "../../src/checkpoint/formats/float8.ts";
import { magnitudes, roundFloat8 } from "../oracle/float8.ts";
import { mulberry32 } from "../random.ts";
import { onBothBuilds } from "./both-builds.ts";
import { KernelMemory, SIMD_BUILDS } from "./kernel-memory.ts";

const SEED = 43;
const test = suite(`round to 8-bit floats (seed ${SEED})`);
const random = mulberry32(SEED);
const NAMES = Object.keys(FLOAT8_FORMATS) as Float8Name[];

function roundRows(kernels: KernelMemory, name: Float8Name, x: Float32Array, K: number, misalign = 0): Float32Array {
  const { mantissaBits, minExponent, largest } = FLOAT8_FORMATS[name];
  const at = kernels.put(x, misalign);
  kernels.run.round_f32_f8(at, K, mantissaBits, minExponent, largest, 0, x.length / K);
  return kernels.f32(at, x.length).slice();
}

/**
 * By the definition: both the division and the product are rounded to float32, what lies between is exact.
 */
function expectedRow(name: Float8Name, x: Float32Array): Float32Array {
  const values = magnitudes(name);
  const absmax = x.reduce((high, value) => Math.max(high, Math.abs(value)), 0);
  const scale = Math.fround(absmax / values.at(-1)!) || 1;
  return x.map((value) => roundFloat8(Math.fround(value / scale), values) * scale + 0);
}

/** One row of any number of values: zeros fill it up. */
const row = (values: readonly number[]) =>
  Float32Array.from({ length: 16 * Math.ceil(values.length / 16) }, (_, i) => values[i] ?? 0);

const bits = new DataView(new ArrayBuffer(4));
/** The float32 right above or below a positive one. */
function neighbour(value: number, step: 1 | -1): number {
  bits.setFloat32(0, value);
  bits.setUint32(0, bits.getUint32(0) + step);
  return bits.getFloat32(0);
}

for (const name of NAMES) {
  const values = magnitudes(name);
  const largest = values.at(-1)!;

  test(`${name}: the table says what the format's numbers say`, () => {
    const { mantissaBits, minExponent } = FLOAT8_FORMATS[name];
    assert.is(largest, FLOAT8_FORMATS[name].largest);
    assert.is(values[1], 2 ** (minExponent - mantissaBits), "the smallest subnormal");
    assert.is(values[2 ** mantissaBits], 2 ** minExponent, "the smallest normal");
  });

  test(`${name}: every finite code is itself, of either sign`, () => {
    const x = row([...values, ...values.map((value) => -value)]);
    const expected = x.map((value) => value + 0);
    assert.equal(
      onBothBuilds(name, (kernels) => roundRows(kernels, name, x, x.length)),
      expected,
    );
  });

  test(`${name}: between two codes the middle goes to the even one, and what lies beside it to the nearer`, () => {
    const inputs: number[] = [];
    const expected: number[] = [];
    for (let code = 0; code + 1 < values.length; code++) {
      const [below, above] = [values[code]!, values[code + 1]!];
      const middle = (below + above) / 2;
      assert.is(Math.fround(middle), middle);
      const even = code % 2 === 0 ? below : above;
      for (const sign of [1, -1]) {
        inputs.push(sign * neighbour(middle, -1), sign * middle, sign * neighbour(middle, 1));
        expected.push(...[below, even, above].map((value) => sign * value + 0));
      }
    }
    const x = row([...inputs, largest]); // the scale is 1
    assert.equal(
      onBothBuilds(name, (kernels) => roundRows(kernels, name, x, x.length)),
      row([...expected, largest]),
    );
  });

  for (const K of [16, 32, 48, 64, 192]) {
    for (const M of [0, 1, 2, 5]) {
      test(`${name}: rows of any size have a scale each: M=${M} K=${K}`, () => {
        const x = Float32Array.from({ length: M * K }, () => (random() - 0.5) * 10 ** (12 * random() - 6));
        if (M > 1) x.fill(0, K, 2 * K);
        const rounded = onBothBuilds(name, (kernels) => roundRows(kernels, name, x, K));
        for (let m = 0; m < M; m++) {
          assert.equal(rounded.slice(m * K, (m + 1) * K), expectedRow(name, x.subarray(m * K, (m + 1) * K)), `row ${m}`);
        }
      });
    }
  }

  test(`${name}: a row is off by half a spacing at most, relative to itself or to the smallest normal`, () => {
    const { mantissaBits, minExponent } = FLOAT8_FORMATS[name];
    const x = Float32Array.from({ length: 4096 }, () => (random() - 0.5) * 10 ** (8 * random() - 8));
    const rounded = onBothBuilds(name, (kernels) => roundRows(kernels, name, x, x.length));
    const scale = x.reduce((high, value) => Math.max(high, Math.abs(value)), 0) / largest;
    x.forEach((value, k) => {
      const bound = Math.max(Math.abs(value), scale * 2 ** minExponent) * 2 ** (-mantissaBits - 1);
      assert.ok(Math.abs(rounded[k]! - value) <= bound * (1 + 2 ** -20), `${value}: ${rounded[k]}`);
    });
  });

  test(`${name}: what a scale too small for float32 leaves beyond the largest saturates; smaller rows become zero`, () => {
    const tiny = 2 ** -149;
    // 1.34 largest / largest rounds to one smallest float; 0.4 to none, so the scale is 1.
    for (const [absmax, expected] of [[Math.round(1.34 * largest), largest], [Math.floor(0.4 * largest), 0]] as const) {
      const x = row([absmax * tiny, -absmax * tiny]);
      assert.equal(onBothBuilds(name, (kernels) => roundRows(kernels, name, x, 16)), row([expected * tiny, -expected * tiny + 0]));
    }
  }); // prettier-ignore

  test(`${name}: NaN stays, an infinity makes NaN of its row`, () => {
    for (const build of ["scalar", ...SIMD_BUILDS] as const) {
      const [nan, infinite] = [row([1, NaN, -2]), row([1, -Infinity, -2])].map((x) => roundRows(new KernelMemory(build), name, x, 16));
      assert.equal([...nan!.subarray(0, 4)], [1, NaN, -2, 0], build);
      assert.equal([...infinite!.subarray(0, 4)], [NaN, NaN, NaN, NaN], build);
    }
  }); // prettier-ignore

  test(`${name}: a range of rows writes these rows only; alignment changes nothing`, () => {
    const [M, K] = [5, 48];
    const { mantissaBits, minExponent } = FLOAT8_FORMATS[name];
    const x = Float32Array.from({ length: M * K }, () => random() - 0.5);
    const whole = onBothBuilds(name, (kernels) => roundRows(kernels, name, x, K));
    for (const misalign of [0, 4, 12]) {
      const part = onBothBuilds(name, (kernels) => {
        const at = kernels.put(x, misalign);
        kernels.run.round_f32_f8(at, K, mantissaBits, minExponent, largest, 2, 4);
        return kernels.f32(at, M * K).slice();
      });
      const expected = x.slice();
      expected.set(whole.subarray(2 * K, 4 * K), 2 * K);
      assert.equal(part, expected);
    }
  });
}

test.run();
