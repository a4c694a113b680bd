/**
 * Linear layers over 8-bit activations, qb4w, qb4fw and qc8w, and over 14-bit ones, qc8w: against an oracle
 * in double precision that sees unpacked data only, against the scalar twin bit for bit, and every row of the
 * GEMM against the GEMV bit for bit.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { assertSameBits, assertWithin } from "../oracle/compare.ts";
import { linearOracle } from "../oracle/linear.ts";
import { mulberry32 } from "../random.ts";
import { KernelMemory, SIMD_BUILDS, type TestedBuild } from "./kernel-memory.ts";
import { type Bits, PackedLinear } from "./packed-linear.ts";
import { extremes, type QuantizedWeights, randomWeights } from "./packed-weights.ts";
import { randomRows, rangeOf } from "./quantized-rows.ts";

/** The larger of the builds' tiles and row blocks. */
const MR = 6;
const ROW_BLOCK = 192;
const BUILDS: TestedBuild[] = ["scalar", ...SIMD_BUILDS];
const test = suite("linear layers over integers (seed 23)");
const random = mulberry32(23);

const FORMS: Bits[] = [
  { a: 8, w: 4 },
  { a: 8, w: "e2m1" },
  { a: 8, w: 8 },
  { a: 14, w: 8 },
];
const nameOf = ({ a, w }: Bits) => `${a} by ${w === "e2m1" ? "4 bits, E2M1" : `${w} bits`}`;
/** k of 8-bit weights whose products are added as integers. */
const CHANNEL_BLOCK = 2048;

/** Everything this file promises, for one matrix and several numbers of rows. */
function check(weights: QuantizedWeights, bits: Bits, rowCounts: number[], bias?: Float32Array): void {
  const scalar = new PackedLinear("scalar", weights, bits, bias);
  const builds = SIMD_BUILDS.map((build) => ({ build, linear: new PackedLinear(build, weights, bits, bias) }));
  const block = bits.w !== 8 ? weights.G : CHANNEL_BLOCK;
  for (const M of rowCounts) {
    const rows = randomRows(random, M, weights.K, bits.a);
    const what = `M=${M} N=${weights.N}${bias ? " with bias" : ""}`;
    const y = scalar.gemm(rows);
    const oracle = linearOracle(rows, weights, block, bias);
    assertWithin(y, oracle.y, (i) => oracle.bound[i]!, `${what}: oracle`);
    for (const { build, linear } of builds) {
      assertSameBits(linear.gemm(rows), y, `${what}: ${build} GEMM`);
      assertSameBits(linear.gemv(rows), y, `${what}: ${build} GEMV`);
    }
  }
  for (const { kernel } of [scalar, ...builds.map(({ linear }) => linear)])
    assert.ok(kernel.untouched(), `N=${weights.N}: wrote past the end of a region`);
}

const upTo = (last: number) => Array.from({ length: last + 1 }, (_, i) => i);

for (const bits of FORMS) {
  const name = nameOf(bits);
  // Those between are sums in 16 bits of whole chunks and of a shorter one (arrange-chunks.ts).
  for (const groupSize of [16, 32, 48, 64, 80, 128, 144]) {
    for (const groups of [1, 2, 3, 5]) {
      const K = groups * groupSize;
      const G = bits.w !== 8 ? groupSize : K;
      test(`${name}: M 0..${2 * MR + 1}, N 1..17, K=${K} G=${G}`, () => {
        for (const N of upTo(17).slice(1)) {
          const bias = N % 2 ? Float32Array.from({ length: N }, () => 4 * random() - 2) : undefined;
          check(randomWeights(random, N, K, G, bits.w), bits, upTo(2 * MR + 1), bias);
        }
      });
    }
  }

  test(`${name}: row blocks of 64 and ${ROW_BLOCK} and their ends`, () => {
    const weights = randomWeights(random, 9, 64, bits.w !== 8 ? 32 : 64, bits.w);
    check(weights, bits, [63, 64, 65, 131, ROW_BLOCK - 1, ROW_BLOCK, ROW_BLOCK + 1, 2 * ROW_BLOCK + 3]);
  });

  test(`${name}: the shape of a layer, one group as long as K`, () => {
    check(randomWeights(random, 20, 1536, 1536, bits.w), bits, [1, 5]);
  });

  if (bits.w === 8) {
    test(`${name}: blocks of ${CHANNEL_BLOCK} k and their ends`, () => {
      for (const K of [CHANNEL_BLOCK - 16, CHANNEL_BLOCK, CHANNEL_BLOCK + 16, 2 * CHANNEL_BLOCK, 2 * CHANNEL_BLOCK + 48]) {
        check(randomWeights(random, 41, K, K, 8), bits, [1, 2 * MR + 1]);
      }
    });
  }

  test(`${name}: panel ranges put together equal the whole, and write their own channels only`, () => {
    const weights = randomWeights(random, 29, 96, bits.w !== 8 ? 32 : 96, bits.w);
    const rows = randomRows(random, 6, 96, bits.a);
    for (const build of BUILDS) {
      const linear = new PackedLinear(build, weights, bits);
      const whole = linear.gemm(rows);
      const ranges: [number, number][] = [
        [2, 4],
        [0, 1],
        [1, 2],
      ];
      assertSameBits(linear.gemm(rows, ranges), whole, `${build} GEMM`);
      assertSameBits(linear.gemv(rows, ranges), whole, `${build} GEMV`);
      const untouched = new Float32Array(new Uint8Array(4).fill(0xa5).buffer)[0];
      for (const y of [linear.gemm(rows, [[1, 2]]), linear.gemv(rows, [[1, 2]])]) {
        for (const [i, value] of y.entries()) {
          const n = i % 29;
          if (n < 8 || n >= 16) assert.is(value, untouched, `${build}: channel ${n} is not of panel 1`);
        }
      }
    }
  });

  test(`${name}: every product at its extreme stays exact`, () => {
    const [N, K] = [8, 4096];
    const G = K;
    for (const weight of extremes(bits.w)) {
      const weights = { N, K, G, q: new Int8Array(N * K).fill(weight), scales: new Float32Array(N).fill(1) };
      for (const activation of rangeOf(bits.a)) {
        const q = bits.a === 8 ? new Int8Array(K).fill(activation) : new Int16Array(K).fill(activation);
        const rows = { M: 1, q, scales: Float32Array.of(1) };
        // Two blocks at most, whose sums and their sum are multiples of 2048 below 2^24 of them: exact in
        // float32.
        const expected = Float32Array.from({ length: N }, () => weight * activation * K);
        for (const build of BUILDS) {
          const linear = new PackedLinear(build, weights, bits);
          assertSameBits(linear.gemm(rows), expected, `${build} GEMM: ${weight} * ${activation}`);
          assertSameBits(linear.gemv(rows), expected, `${build} GEMV: ${weight} * ${activation}`);
        }
      }
    }
  });
}

test("scratch of a module of some kernels is enough for the build below it", () => {
  const bytes = (build: TestedBuild, M: number, K: number) => new KernelMemory(build).run.linear_scratch_bytes(M, K);
  if (!SIMD_BUILDS.includes("relaxed-i16")) return;
  for (const M of [0, 1, MR, ROW_BLOCK - 1, ROW_BLOCK, ROW_BLOCK + 1, 2 * ROW_BLOCK]) {
    for (const K of [16, 48, 576, 11008]) {
      for (const below of ["simd128", "relaxed"] as const) {
        assert.ok(bytes("relaxed-i16", M, K) >= bytes(below, M, K), `M=${M} K=${K}: ${below} needs more`);
      }
    }
  }
});

test.run();
