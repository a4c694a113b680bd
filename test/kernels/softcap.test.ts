/** Soft caps, products with a number, and GEGLU, which Gemma and Granite need. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { NULL } from "../../src/kernels/pointer.ts";
import { assertSameBits, assertWithin, F32_EPSILON } from "../oracle/compare.ts";
import { geluTanh } from "../oracle/gelu.ts";
import { mulberry32, normal } from "../random.ts";
import { fill, onBothBuilds } from "./both-builds.ts";
import { halves, Outputs, quantize, type Range, type Shape, SHAPES, STATIC_SCALE } from "./quantized-outputs.ts";

const random = mulberry32(53);
const gaussian = normal(random);
const test = suite("soft caps, scaling and geglu (seed 53)");
const WIDTHS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 15, 16, 17, 31, 576];

/** One of the two kernels over f32[M, K], in place. */
function apply(kernel: "softcap_f32" | "scale_f32", x: Float32Array, [M, K]: [number, number], value: number, ranges: readonly Range[] = [[0, M]]) {
  return onBothBuilds(`${kernel}, M=${M} K=${K}`, (kernels) => {
    const at = kernels.put(x, 4 * (K % 4));
    for (const [begin, end] of ranges) kernels.run[kernel](at, K, value, begin, end);
    return kernels.f32(at, M * K);
  });
} // prettier-ignore

test("both equal their definition for every tail, and in ranges", () => {
  for (const K of WIDTHS) {
    for (const M of [0, 1, 2, 5]) {
      const x = fill(M * K, () => gaussian() * 10 ** (3 * random() - 1.5));
      for (const cap of [0.5, 3, 30].map(Math.fround)) {
        const y = apply("softcap_f32", x, [M, K], cap);
        const expected = Float64Array.from(x, (value) => cap * Math.tanh(value / cap));
        // The quotient, of which tanh makes no more; tanh itself, 2 units in the last place; the product.
        assertWithin(y, expected, (i) => 6 * F32_EPSILON * Math.abs(expected[i]!) + 2 ** -149, `cap ${cap} M=${M} K=${K}`);
        assert.ok(y.every((value) => Math.abs(value) <= cap), "beyond the cap"); // prettier-ignore
        assertSameBits(apply("softcap_f32", x, [M, K], cap, halves(M)), y, "split");
      }
      const scale = Math.fround(0.22);
      const y = apply("scale_f32", x, [M, K], scale);
      assertSameBits(y, x.map((value) => value * scale), `scale M=${M} K=${K}`); // prettier-ignore
      assertSameBits(apply("scale_f32", x, [M, K], scale, halves(M)), y, "split");
    }
  }
});

test("tanh is within 2 units in the last place, over every 499th float up to 20, and odd", () => {
  const bits: number[] = [];
  for (let next = 0x2f000000; next < 0x41a00000; next += 499) bits.push(next);
  const x = new Float32Array(Uint32Array.from(bits).buffer);
  const y = apply("softcap_f32", x, [1, x.length], 1);
  let worst = 0;
  for (const [i, value] of y.entries()) {
    const expected = Math.tanh(x[i]!);
    const ulp = 2 ** (Math.floor(Math.log2(expected)) - 23);
    worst = Math.max(worst, Math.abs(value - expected) / ulp);
  }
  console.log(`\nfigure: tanh f32: largest error ${worst.toFixed(2)} units in the last place, of ${x.length} values`);
  assert.ok(worst <= 2, `${worst}`);
  assertSameBits(apply("softcap_f32", x.map((value) => -value), [1, x.length], 1), y.map((value) => -value), "odd"); // prettier-ignore
});

test("a cap at its borders: zeros keep their sign, infinity gives the cap, NaN stays", () => {
  const y = apply("softcap_f32", Float32Array.of(0, -0, Infinity, -Infinity, 3e38, 1e-45, Number.NaN), [1, 7], 30);
  assert.equal([...y].map((value) => (Object.is(value, -0) ? "-0" : String(value))), ["0", "-0", "30", "-30", "30", String(y[5]), "NaN"]); // prettier-ignore
  assert.ok(y[5]! >= 0 && y[5]! < 1e-40);
});

function geglu(x: Float32Array, M: number, F: number, stride = 2 * F, ranges: readonly Range[] = [[0, M]]): Float32Array {
  return onBothBuilds(`geglu, M=${M} F=${F}`, (kernels) => {
    const [xAt, y] = [kernels.put(x, 4 * (F % 4)), kernels.region(4 * M * F)];
    for (const [begin, end] of ranges) kernels.run.geglu_tanh_f32(xAt, y, F, stride, begin, end);
    return kernels.f32(y, M * F);
  });
}

test("geglu reads rows that are longer", () => {
  const [M, F, stride] = [3, 9, 23];
  const x = fill(M * stride, gaussian);
  const packed = Float32Array.from({ length: 2 * M * F }, (_, i) => x[Math.floor(i / (2 * F)) * stride + (i % (2 * F))]!);
  assertSameBits(geglu(x, M, F, stride), geglu(packed, M, F), "stride");
});

test("geglu equals its definition for every tail, and in ranges", () => {
  for (const F of WIDTHS) {
    for (const M of [0, 1, 2, 5]) {
      const x = fill(2 * M * F, () => 3 * gaussian());
      const y = geglu(x, M, F);
      const expected = Float64Array.from(y, (_, i) => {
        const gate = Math.floor(i / F) * 2 * F + (i % F);
        return geluTanh(x[gate]!) * x[gate + F]!;
      });
      assertWithin(y, expected, (i) => 9.01 * F32_EPSILON * Math.abs(expected[i]!) + 2 ** -140, `M=${M} F=${F}`);
      assertSameBits(geglu(x, M, F, 2 * F, halves(M)), y, `M=${M} F=${F}, split`);
    }
  }
});

function quantized(shape: Shape, x: Float32Array, dynamic: boolean, how: readonly Range[] | "unfused"): Int32Array {
  const { M, K: F, G } = shape;
  return onBothBuilds(`geglu_tanh_f32_qd8, M=${M} F=${F} G=${G}`, (kernels) => {
    const { run } = kernels;
    const xAt = kernels.put(x, 4);
    const out = new Outputs(kernels, shape);
    if (how === "unfused") {
      const activated = kernels.region(4 * M * F);
      run.geglu_tanh_f32(xAt, activated, F, 2 * F, 0, M);
      quantize(kernels, activated, out, shape, dynamic);
    } else {
      const { q, scales, sums } = out;
      const scale = dynamic ? 0 : STATIC_SCALE;
      for (const [begin, end] of how) run.geglu_tanh_f32_qd8(xAt, q, scales, sums, F, G, 2 * F, scale, begin, end);
    }
    return out.words(NULL);
  });
}

for (const dynamic of [true, false]) {
  test(`geglu and quantize in turn equal geglu_tanh_f32_qd8, ${dynamic ? "dynamic" : "static"}`, () => {
    for (const shape of SHAPES) {
      const { M, K: F } = shape;
      const x = fill(2 * M * F, () => 2 * gaussian());
      if (M > 1) x.fill(0, 2 * F, 4 * F);
      const fused = quantized(shape, x, dynamic, [[0, M]]);
      assert.equal(fused, quantized(shape, x, dynamic, "unfused"), `M=${M} F=${F}: unfused`);
      assert.equal(fused, quantized(shape, x, dynamic, halves(M)), `M=${M} F=${F}: in ranges`);
    }
  });
}

test.run();
