import { suite } from "uvu";
import * as assert from "uvu/assert";
import { assertSameBits, assertWithin, F32_EPSILON } from "../oracle/compare.ts";
import { gelu, geluTanh } from "../oracle/gelu.ts";
import { mulberry32, normal } from "../random.ts";
import { fill, onBothBuilds } from "./both-builds.ts";

const random = mulberry32(31);
const gaussian = normal(random);
const test = suite("gelu, gelu with tanh, relu (seed 31)");
type Range = readonly [begin: number, end: number];
type Kernel = "gelu_f32" | "gelu_tanh_f32" | "relu_f32";

const relu = (x: number) => Math.max(x, 0);
/** Definition, and its relative error by assembly/math/gelu.ts: that of the tail and of the subtraction. */
const KERNELS: Record<Kernel, { definition: (x: number) => number; error: number }> = {
  gelu_f32: { definition: gelu, error: 25.01 * F32_EPSILON },
  gelu_tanh_f32: { definition: geluTanh, error: 8.01 * F32_EPSILON },
  relu_f32: { definition: relu, error: 0 },
};

interface Shape {
  M: number;
  F: number;
  stride: number;
}

function activate(kernel: Kernel, x: Float32Array, { M, F, stride }: Shape, ranges: readonly Range[] = [[0, M]]) {
  return onBothBuilds(`${kernel}, M=${M} F=${F} stride=${stride}`, (kernels) => {
    const [xAt, y] = [kernels.put(x, 4 * (F % 4)), kernels.region(4 * M * F)];
    for (const [begin, end] of ranges) kernels.run[kernel](xAt, y, F, stride, begin, end);
    return kernels.f32(y, M * F);
  });
}

const oneRow = (kernel: Kernel, values: ArrayLike<number>) =>
  activate(kernel, Float32Array.from(values), { M: 1, F: values.length, stride: values.length });

for (const [kernel, { definition, error }] of Object.entries(KERNELS) as [Kernel, (typeof KERNELS)[Kernel]][]) {
  test(`${kernel} equals the definition for every tail and stride, and in ranges`, () => {
    for (const F of [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 15, 16, 17, 31, 576]) {
      for (const extra of [0, 1, 5]) {
        for (const M of [0, 1, 2, 5]) {
          const shape = { M, F, stride: F + extra };
          const x = fill(M * shape.stride, () => 3 * gaussian());
          const y = activate(kernel, x, shape);
          const expected = Float64Array.from(y, (_, i) => definition(x[Math.floor(i / F) * shape.stride + (i % F)]!));
          const what = `M=${M} F=${F} stride=${shape.stride}`;
          assertWithin(y, expected, (i) => error * Math.abs(expected[i]!) + 2 ** -149, what);
          const halves: Range[] = [
            [M >> 1, M],
            [0, M >> 1],
          ];
          assertSameBits(activate(kernel, x, shape, halves), y, `${what}, split`);
        }
      }
    }
  });

  test(`${kernel} may be in place`, () => {
    const [M, F] = [3, 21];
    const x = fill(M * F, gaussian);
    const y = onBothBuilds("in place", (kernels) => {
      const xAt = kernels.put(x);
      kernels.run[kernel](xAt, xAt, F, F, 0, M);
      return kernels.f32(xAt, M * F);
    });
    assertSameBits(y, activate(kernel, x, { M, F, stride: F }), "in place");
  });

  test(`${kernel} at its borders: NaN and infinity stay, -infinity gives its limit`, () => {
    const values = [0, -0, Infinity, 3e38, 20, -1e-45, 1e-45];
    const zero = kernel === "relu_f32" ? 0 : -0;
    const small = oneRow(kernel, values);
    assert.equal([...small.subarray(0, 5)].map(String), ["0", "0", "Infinity", String(Math.fround(3e38)), "20"]);
    assert.ok(Object.is(small[0], 0) && Object.is(small[1], -0), "zeros keep their sign");
    const far = oneRow(kernel, [-Infinity, -3e38, -20, -14.5, -16]);
    assert.ok(far.every((value) => Object.is(value, zero)), `${[...far].join()}`); // prettier-ignore
    assert.ok(oneRow(kernel, [Number.NaN, 1, 2, 3, Number.NaN, 5, 6, 7, Number.NaN]).filter(Number.isNaN).length === 3);
  });
}

/** Distance between neighbouring floats at `value`. */
const ulp = (value: number) => 2 ** Math.max(Math.floor(Math.log2(Math.abs(value))) - 23, -149);

/** Every `step`-th float of 0..16 and of -16..0. */
function floats(step: number): Float32Array {
  const last = 0x41800000;
  const bits = new Uint32Array(2 * Math.ceil(last / step));
  for (let i = 0, next = 0; next < last; next += step) {
    bits[i++] = next;
    bits[i++] = (next | 0x80000000) >>> 0;
  }
  return new Float32Array(bits.buffer);
}

for (const kernel of ["gelu_f32", "gelu_tanh_f32"] as const) {
  const most = kernel === "gelu_f32" ? 6.5 : 3;
  const { definition, error } = KERNELS[kernel];
  test(`${kernel} is within ${most} units in the last place, over every 4999th float from -16 to 16`, () => {
    const x = floats(4999);
    const y = oneRow(kernel, x);
    let [worst, at] = [0, 0];
    x.forEach((value, i) => {
      const expected = definition(value);
      const difference = Math.abs(y[i]! - expected);
      assert.ok(difference <= error * Math.abs(expected) + 2 ** -149, `${value}: got ${y[i]}, expected ${expected}`);
      if (difference / ulp(expected) > worst) [worst, at] = [difference / ulp(expected), value];
    });
    console.log(
      `\nfigure: ${kernel}: largest error ${worst.toFixed(3)} units in the last place, at ${at}, of ${x.length} values`,
    );
    assert.ok(worst <= most, `${worst} at ${at}`);
  });
}

test("definitions: erf and tanh differ, and both are known at 1", () => {
  assert.ok(Math.abs(gelu(1) - 0.8413447460685429) < 1e-15);
  assert.ok(Math.abs(gelu(-4) + 1.2668496733247493e-4) < 1e-16, String(gelu(-4)));
  assert.ok(Math.abs(geluTanh(1) - 0.8411919906082768) < 1e-15);
});

test.run();
