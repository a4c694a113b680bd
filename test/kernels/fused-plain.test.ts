/**
 * LayerNorm and ungated activations that quantize what they make: their twins, and bit for bit what the
 * kernels they stand for make one after the other. Each of those has an oracle of its own (layernorm.test.ts,
 * plain-activation.test.ts, quantize-activations.test.ts).
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { NULL } from "../../src/kernels/pointer.ts";
import { mulberry32, normal } from "../random.ts";
import { fill, onBothBuilds } from "./both-builds.ts";
import { halves, Outputs, quantize, type Range, type Shape, SHAPES, STATIC_SCALE } from "./quantized-outputs.ts";

const random = mulberry32(41);
const gaussian = normal(random);
const test = suite("layernorm, gelu and relu with quantization (seed 41)");
const EPS = Math.fround(1e-5);
type How = readonly Range[] | "unfused";

interface NormOperands {
  x: Float32Array;
  residual: Float32Array | undefined;
  weight: Float32Array;
  bias: Float32Array | undefined;
}

/** @param bits of a value; 14 are dynamic */
function layernorm(shape: Shape, operands: NormOperands, bits: 8 | 14, dynamic: boolean, how: How): Int32Array {
  const { M, K, G } = shape;
  return onBothBuilds(`layernorm, M=${M} K=${K} G=${G}`, (kernels) => {
    const { run } = kernels;
    const { x, residual, weight, bias } = operands;
    const [xAt, weightAt] = [kernels.put(x, 4), kernels.put(weight)];
    const residualAt = residual ? kernels.put(residual, 8) : NULL;
    const biasAt = bias ? kernels.put(bias, 12) : NULL;
    const out = new Outputs(kernels, shape);
    const wide = kernels.region(2 * M * K);
    if (how === "unfused") {
      const normed = kernels.region(4 * M * K);
      if (residual) run.add_f32(xAt, residualAt, K, 0, M);
      run.layernorm_f32(xAt, weightAt, biasAt, normed, M, K, EPS, 0, M);
      if (bits === 14) run.quantize_f32_qd14(normed, wide, out.scales, K, 0, M);
      else quantize(kernels, normed, out, shape, dynamic);
    } else {
      const { q, scales, sums } = out;
      const scale = dynamic ? 0 : STATIC_SCALE;
      for (const [begin, end] of how) {
        if (bits === 14) run.layernorm_f32_qd14(xAt, residualAt, weightAt, biasAt, wide, scales, K, EPS, begin, end);
        else run.layernorm_f32_qd8(xAt, residualAt, weightAt, biasAt, q, scales, sums, K, G, EPS, scale, begin, end);
      }
    }
    return Int32Array.of(...out.words(xAt), ...kernels.i32(wide, (M * K) / 2));
  });
}

for (const [bits, dynamic] of [
  [8, true],
  [8, false],
  [14, true],
] as const) {
  const kind = `${dynamic ? "dynamic" : "static"} layernorm to ${bits} bits`;
  test(`${kind} equals add, layernorm and quantize in turn, with and without residual and bias`, () => {
    for (const shape of SHAPES) {
      const { M, K } = shape;
      const x = fill(M * K, () => gaussian() * 10 ** (4 * random() - 2));
      const other = fill(M * K, () => gaussian() * 10 ** (4 * random() - 2));
      if (M > 1) for (const rows of [x, other]) rows.fill(0, K, 2 * K);
      const [weight, offsets] = [fill(K, gaussian), fill(K, gaussian)];
      for (const [residual, bias] of [
        [undefined, offsets],
        [other, offsets],
        [other, undefined],
      ] as const) {
        const operands = { x, residual, weight, bias };
        const fused = layernorm(shape, operands, bits, dynamic, [[0, M]]);
        const what = `${kind} M=${M} K=${K} G=${shape.G}`;
        assert.equal(fused, layernorm(shape, operands, bits, dynamic, "unfused"), `${what}: unfused`);
        assert.equal(fused, layernorm(shape, operands, bits, dynamic, halves(M)), `${what}: in ranges`);
      }
    }
  });
}

const ACTIVATIONS = ["gelu_f32", "gelu_tanh_f32", "relu_f32"] as const;
type Activation = (typeof ACTIVATIONS)[number];

function activation(kernel: Activation, shape: Shape, stride: number, x: Float32Array, dynamic: boolean, how: How): Int32Array {
  const { M, K: F, G } = shape;
  return onBothBuilds(`${kernel}_qd8, M=${M} F=${F} G=${G}`, (kernels) => {
    const { run } = kernels;
    const xAt = kernels.put(x, 4);
    const out = new Outputs(kernels, shape);
    if (how === "unfused") {
      const activated = kernels.region(4 * M * F);
      run[kernel](xAt, activated, F, stride, 0, M);
      quantize(kernels, activated, out, shape, dynamic);
    } else {
      const { q, scales, sums } = out;
      const scale = dynamic ? 0 : STATIC_SCALE;
      for (const [begin, end] of how) run[`${kernel}_qd8`](xAt, q, scales, sums, F, G, stride, scale, begin, end);
    }
    // What lies behind the F values of a row stays.
    const rows = kernels.f32(xAt, M * stride);
    for (let m = 0; m < M; m++) {
      const [from, to] = [m * stride + F, (m + 1) * stride];
      assert.equal(rows.subarray(from, to), x.subarray(from, to), `${kernel}: beyond F`);
    }
    return out.words(NULL);
  });
}

for (const kernel of ACTIVATIONS) {
  for (const dynamic of [true, false]) {
    test(`${kernel} and quantize in turn equal ${kernel}_qd8, ${dynamic ? "dynamic" : "static"}`, () => {
      for (const shape of SHAPES) {
        const { M, K: F } = shape;
        for (const stride of [F, F + 12]) {
          const x = fill(M * stride, () => 2 * gaussian());
          if (M > 1) x.fill(0, stride, 2 * stride);
          const fused = activation(kernel, shape, stride, x, dynamic, [[0, M]]);
          const what = `M=${M} F=${F} G=${shape.G} stride=${stride}`;
          assert.equal(fused, activation(kernel, shape, stride, x, dynamic, "unfused"), `${what}: unfused`);
          assert.equal(fused, activation(kernel, shape, stride, x, dynamic, halves(M)), `${what}: in ranges`);
        }
      }
    });
  }

  test(`${kernel}_qd8: NaN counts as zero, an infinity makes the scale infinite or saturates`, () => {
    const x = fill(32, () => 1);
    x[3] = Number.NaN;
    x[7] = Infinity;
    for (const dynamic of [true, false]) {
      const words = activation(kernel, { M: 1, K: 32, G: 16 }, 32, x, dynamic, [[0, 1]]);
      const [q, [scale]] = [new Int8Array(words.buffer, 0, 32), new Float32Array(words.buffer, 32, 1)];
      assert.equal([q[3], q[7], scale], dynamic ? [0, 0, Infinity] : [0, 127, STATIC_SCALE]);
    }
  });
}

test.run();
