import { suite } from "uvu";
import * as assert from "uvu/assert";
import { assertSameBits, assertWithin, F32_EPSILON } from "../oracle/compare.ts";
import { mulberry32, normal } from "../random.ts";
import { fill, onBothBuilds } from "./both-builds.ts";

const random = mulberry32(19);
const gaussian = normal(random);
/** Half a unit in the last place, and what the reduction of the angle leaves. */
const bound = (value: number) => Math.abs(value) * F32_EPSILON + 2 ** -50;
const test = suite("rope (seed 19)");

function table(frequencies: Float32Array, position: number, count: number): { cos: Float32Array; sin: Float32Array } {
  const half = frequencies.length;
  const both = onBothBuilds("table", (kernels) => {
    const bytes = 4 * count * half;
    const [at, cos, sin] = [kernels.put(frequencies), kernels.region(bytes), kernels.region(bytes)];
    kernels.run.rope_table_f32(at, cos, sin, position, count, 2 * half);
    return Float32Array.of(...kernels.f32(cos, count * half), ...kernels.f32(sin, count * half));
  });
  return { cos: both.slice(0, count * half), sin: both.slice(count * half) };
}

test("frequencies are theta^(-2i/D), rounded once", () => {
  for (const theta of [10000, 100000, 500000, 1e6, 1]) {
    for (const D of [2, 6, 64, 128]) {
      const frequencies = onBothBuilds(`theta=${theta}`, (kernels) => {
        const at = kernels.region(2 * D);
        kernels.run.rope_frequencies_f32(at, theta, D);
        return kernels.f32(at, D / 2);
      });
      const expected = Array.from({ length: D / 2 }, (_, i) => theta ** ((-2 * i) / D));
      // Half a unit, and what is left of f64: 16 (the largest exponent) times a few 2^-52.
      assertWithin(frequencies, expected, (i) => expected[i]! * (F32_EPSILON + 2 ** -45), `theta=${theta} D=${D}`);
      assert.is(frequencies[0], 1);
    }
  }
});

test("tables are the cosine and sine of position * frequency, rounded once, up to angles of 2^24", () => {
  const frequencies = Float32Array.from({ length: 32 }, (_, i) => 100000 ** (-i / 32));
  for (const position of [0, 1, 2047, 8191, 131071, 1000003, 2 ** 24 - 9]) {
    const { cos, sin } = table(frequencies, position, 9);
    const angle = (i: number) => (position + (i >> 5)) * frequencies[i & 31]!;
    const [cosines, sines] = [Math.cos, Math.sin].map((f) => Float64Array.from(cos, (_, i) => f!(angle(i))));
    assertWithin(cos, cosines!, (i) => bound(cosines![i]!), `cos from ${position}`);
    assertWithin(sin, sines!, (i) => bound(sines![i]!), `sin from ${position}`);
    if (position === 0)
      assert.ok(cos.subarray(0, 32).every((value) => value === 1) && sin.subarray(0, 32).every((value) => value === 0));
  }
});

test("every quadrant: whole turns in small steps", () => {
  const { cos, sin } = table(Float32Array.of(0.001), 0, 20000);
  const step = Math.fround(0.001);
  assertWithin(
    cos,
    Float64Array.from(cos, (_, i) => Math.cos(i * step)),
    () => bound(1),
    "cos",
  );
  assertWithin(
    sin,
    Float64Array.from(sin, (_, i) => Math.sin(i * step)),
    () => bound(1),
    "sin",
  );
});

interface Rotation {
  kernel: "rope_f32" | "rope_pairs_f32";
  heads: number;
  D: number;
  rotary: number;
  /** One for each row: any row of the tables. */
  positions: number[];
}

/** Rows of `heads` heads and three more floats. */
const strideOf = ({ heads, D }: Rotation) => heads * D + 3;

function rope(x: Float32Array, t: ReturnType<typeof table>, rotation: Rotation, ranges: [number, number][]) {
  const { kernel, heads, D, rotary, positions } = rotation;
  return onBothBuilds(JSON.stringify(rotation), (kernels) => {
    const [xAt, cos, sin] = [kernels.put(x, 4), kernels.put(t.cos), kernels.put(t.sin)];
    // Only positions are read: the block table may be anything.
    const rows = kernels.put(Int32Array.from(positions.flatMap((position) => [position, -1])));
    for (const [begin, end] of ranges) kernels.run[kernel](xAt, cos, sin, rows, heads, D, rotary, strideOf(rotation), begin, end);
    return kernels.f32(xAt, x.length);
  });
}

/** One rotation over random rows, against its definition; then in two ranges. */
function checkRotation(rotation: Rotation): void {
  const { kernel, heads, D, rotary, positions } = rotation;
  const [half, stride, M] = [rotary / 2, strideOf(rotation), positions.length];
  const what = JSON.stringify(rotation);
  const x = fill(M * stride, gaussian);
  const t = table(fill(half, random), 37, 9);
  const y = rope(x, t, rotation, [[0, M]]);
  const expected = Float64Array.from(x);
  const magnitude = new Float64Array(x.length);
  positions.forEach((position, m) => {
    for (let h = 0; h < heads; h++) {
      for (let i = 0; i < half; i++) {
        const head = m * stride + h * D;
        const [at, other] = kernel === "rope_f32" ? [head + i, head + i + half] : [head + 2 * i, head + 2 * i + 1];
        const [a, b, c, s] = [x[at]!, x[other]!, t.cos[position * half + i]!, t.sin[position * half + i]!];
        [expected[at], expected[other]] = [a * c - b * s, b * c + a * s];
        magnitude[at] = Math.abs(a * c) + Math.abs(b * s);
        magnitude[other] = Math.abs(b * c) + Math.abs(a * s);
      }
    }
  });
  // One rounding of each product and one of their sum; what does not turn stays to the bit.
  assertWithin(y, expected, (i) => magnitude[i]! * F32_EPSILON * (2 + F32_EPSILON), what);
  const split = rope(x, t, rotation, [[Math.min(1, M), M], [0, Math.min(1, M)]]); // prettier-ignore
  assertSameBits(split, y, `${what}, split`);
}

for (const kernel of ["rope_f32", "rope_pairs_f32"] as const) {
  test(`${kernel}: turns each pair by its angle, for every tail, and leaves the rest of a row alone`, () => {
    for (const heads of [0, 1, 3]) {
      for (const D of [2, 4, 6, 8, 10, 12, 14, 16, 64]) {
        for (const positions of [[], [0], [3, 4, 5, 6]]) checkRotation({ kernel, heads, D, rotary: D, positions });
      }
    }
  });

  test(`${kernel}: rows of several sequences, and heads that turn in part`, () => {
    for (let D = 8; D <= 80; D += 8) {
      for (let rotary = 2; rotary <= D; rotary += 2) {
        checkRotation({ kernel, heads: 2, D, rotary, positions: [8, 2, 3, 0, 8] });
      }
    }
  });
}

test("a rotation by negated sines turns back", () => {
  for (const kernel of ["rope_f32", "rope_pairs_f32"] as const) {
    const rotation: Rotation = { kernel, heads: 2, D: 16, rotary: 12, positions: [1, 5, 0] };
    const x = fill(3 * strideOf(rotation), gaussian);
    const t = table(fill(6, random), 0, 9);
    const back = rope(rope(x, t, rotation, [[0, 3]]), { cos: t.cos, sin: t.sin.map((sine) => -sine) }, rotation, [[0, 3]]);
    assertWithin(back, Float64Array.from(x), () => 64 * F32_EPSILON, kernel);
  }
});

test.run();
