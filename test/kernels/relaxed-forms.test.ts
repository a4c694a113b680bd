/**
 * Forms of the kernels on every kind of engine, emulated: those that rest on what the standard says give the
 * bits of the scalar twins on all, those that multiply whole bytes on the kind they are for, and not the bits
 * of the twins on any other, which is what the self-test has to see.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { passesSelfTest } from "../../src/kernels/self-test.ts";
import { assertSameBits } from "../oracle/compare.ts";
import { mulberry32 } from "../random.ts";
import { modulesOn, type TestedBuild } from "./kernel-memory.ts";
import { type Bits, PackedLinear } from "./packed-linear.ts";
import { extremes, type QuantizedWeights, randomWeights } from "./packed-weights.ts";
import { randomRows, rangeOf } from "./quantized-rows.ts";
import { type Engine, ENGINES } from "./relaxed-engines.ts";

const test = suite("forms on emulated engines (seed 29)");
const random = mulberry32(29);
const INTEGERS: Bits = { a: 8, w: 4 };
const E2M1: Bits = { a: 8, w: "e2m1" };

interface Form {
  build: TestedBuild;
  /** The engines it is for. */
  engines: readonly Engine[];
  /** The weights its own kernels multiply. */
  weights: readonly Bits[];
}
const FORMS: Form[] = [
  { build: "relaxed-i16", engines: ENGINES, weights: [INTEGERS, E2M1] },
  { build: "relaxed-u8", engines: ["unsigned"], weights: [INTEGERS] },
  { build: "relaxed-s8", engines: ["signed"], weights: [INTEGERS] },
];

/** One panel, its tail, and whole and partial sets of up to four streams with panels left over. */
const CHANNELS = [1, 8, 15, 16, 17, 31, 32, 33, 47, 63, 64, 65];
/** At both ends of the range, and all between (quantized-rows.ts). */
const ROWS = 4;

for (const { build, engines, weights: kinds } of FORMS) {
  for (const engine of engines) {
    for (const bits of kinds) {
      const name = `${build} on ${engine} operands, ${bits.w === 4 ? "qb4w" : "qb4fw"}`;
      test(`${name}: the GEMV's bits are the twin's, groups of 16 to 128`, () => {
        for (const G of [16, 32, 48, 64, 128]) {
          for (const N of CHANNELS) {
            const K = G * (1 + (N % 3));
            const weights = randomWeights(random, N, K, G, bits.w);
            const rows = randomRows(random, ROWS, K, 8);
            const bias = N % 2 ? Float32Array.from({ length: N }, () => 4 * random() - 2) : undefined;
            const form = new PackedLinear(build, weights, bits, bias, engine);
            const twin = new PackedLinear("scalar", weights, bits, bias);
            assertSameBits(form.gemv(rows), twin.gemm(rows), `N=${N} K=${K} G=${G}`);
            assert.ok(form.kernel.untouched(), `N=${N} K=${K} G=${G}: wrote past the end of a region`);
          }
        }
      });

      test(`${name}: ranges of panels put together equal the whole`, () => {
        const weights = randomWeights(random, 93, 96, 32, bits.w);
        const rows = randomRows(random, ROWS, 96, 8);
        const ranges: [number, number][] = [[5, 12], [0, 1], [1, 5]]; // prettier-ignore
        const whole = new PackedLinear("scalar", weights, bits).gemm(rows);
        assertSameBits(new PackedLinear(build, weights, bits, undefined, engine).gemv(rows, ranges), whole, name);
      });

      test(`${name}: every product at its extreme stays exact over 4096 k`, () => {
        const [N, K] = [40, 4096];
        for (const weight of extremes(bits.w)) {
          const weights = constantWeights(N, K, weight);
          const form = new PackedLinear(build, weights, bits, undefined, engine);
          for (const activation of rangeOf(8)) {
            const rows = { M: 1, q: new Int8Array(K).fill(activation), scales: Float32Array.of(1) };
            // Multiples of 4096 below 2^24 of them: exact in float32.
            const expected = Float32Array.from({ length: N }, () => weight * activation * K);
            assertSameBits(form.gemv(rows), expected, `${weight} * ${activation}`);
          }
        }
      });
    }
    test(`${build} on ${engine} operands passes the self-test`, () => {
      assert.ok(passesSelfTest(modulesOn(build, engine), false));
    });
  }

  for (const engine of ENGINES.filter((each) => !engines.includes(each))) {
    test(`${build} on ${engine} operands has other bits, and the self-test sees it`, () => {
      const weights = randomWeights(random, 64, 128, 64, 4);
      const rows = randomRows(random, 1, 128, 8);
      const form = new PackedLinear(build, weights, INTEGERS, undefined, engine).gemv(rows);
      const twin = new PackedLinear("scalar", weights, INTEGERS).gemm(rows);
      assert.ok(form.some((value, i) => value !== twin[i]), "no value differs"); // prettier-ignore
      assert.not(passesSelfTest(modulesOn(build, engine), false));
    });
  }
}

function constantWeights(N: number, K: number, value: number): QuantizedWeights {
  return { N, K, G: K, q: new Int8Array(N * K).fill(value), scales: new Float32Array(N).fill(1) };
}

test.run();
