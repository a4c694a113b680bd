/**
 * Linear layers over 8-bit activations and weights that are kept as a file has them: against an oracle in
 * double precision that sees unpacked data only, against the scalar twin bit for bit, and every row of the
 * GEMM against the GEMV bit for bit.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { NULL, offsetBy, type Pointer } from "../../src/kernels/pointer.ts";
import { assertSameBits, assertWithin } from "../oracle/compare.ts";
import type { QuantizedRows } from "../oracle/linear.ts";
import { mulberry32 } from "../random.ts";
import { KernelMemory, SIMD_BUILDS, type TestedBuild } from "./kernel-memory.ts";
import { QB4AW, QB8AW } from "./affine-weights.ts";
import { type KeptKind, type KeptWeights, putKept, QB4MW, QB4ZW, QB8W } from "./kept-weights.ts";
import { groupSums, randomRows, rangeOf } from "./quantized-rows.ts";

/** The larger of the builds' tiles and row blocks. */
const MR = 6;
const ROW_BLOCK = 192;
const BUILDS: TestedBuild[] = ["scalar", ...SIMD_BUILDS];
const KINDS: KeptKind[] = [QB8W, QB4ZW, QB4MW, QB4AW, QB8AW];
const test = suite("linear layers over kept weights (seed 37)");
const random = mulberry32(37);

type Ranges = [number, number][];

/** One matrix in one build's memory, ready for several sets of rows. */
class PackedLinear {
  readonly kernel: KernelMemory;
  readonly #weights: KeptWeights;
  readonly #w: Pointer;
  readonly #bias: Pointer;

  constructor(build: TestedBuild, weights: KeptWeights, bias?: Float32Array) {
    this.kernel = new KernelMemory(build);
    this.#weights = weights;
    this.#w = putKept(this.kernel, weights);
    this.#bias = bias ? this.kernel.put(bias, 4) : NULL;
  }

  #operands(rows: QuantizedRows, M: number) {
    const { kernel } = this;
    const { N, K, sumsOf } = this.#weights;
    return {
      q: kernel.put(rows.q),
      scales: kernel.put(rows.scales),
      sums: kernel.put(groupSums(rows, sumsOf)),
      w: this.#w,
      bias: this.#bias,
      y: kernel.region(4 * rows.M * N),
      scratch: kernel.region(kernel.run.linear_scratch_bytes(M, K)),
    };
  }

  /** y[M, N] of the GEMM, panel range by panel range. */
  gemm(rows: QuantizedRows, ranges: Ranges = [[0, Math.ceil(this.#weights.N / 8)]]): Float32Array {
    const at = this.#operands(rows, rows.M);
    for (const [begin, end] of ranges) this.#weights.gemm(this.kernel.run, at, rows.M, begin, end);
    return this.kernel.f32(at.y, rows.M * this.#weights.N);
  }

  /** y[M, N], each row by the GEMV. */
  gemv(rows: QuantizedRows, ranges: Ranges = [[0, Math.ceil(this.#weights.N / 8)]]): Float32Array {
    const { N, K, sumsOf } = this.#weights;
    const at = this.#operands(rows, 1);
    for (let m = 0; m < rows.M; m++) {
      const row = {
        ...at,
        q: offsetBy(at.q, m * K),
        scales: offsetBy(at.scales, 4 * m),
        sums: offsetBy(at.sums, (4 * m * K) / sumsOf),
        y: offsetBy(at.y, 4 * m * N),
      };
      for (const [begin, end] of ranges) this.#weights.gemv(this.kernel.run, row, begin, end);
    }
    return this.kernel.f32(at.y, rows.M * N);
  }
}

/** Everything this file promises, for one matrix and several numbers of rows. */
function check(weights: KeptWeights, rowCounts: number[], bias?: Float32Array): void {
  const scalar = new PackedLinear("scalar", weights, bias);
  const builds = SIMD_BUILDS.map((build) => ({ build, linear: new PackedLinear(build, weights, bias) }));
  for (const M of rowCounts) {
    const rows = randomRows(random, M, weights.K, 8);
    const what = `M=${M} N=${weights.N}${bias ? " with bias" : ""}`;
    const y = scalar.gemm(rows);
    assertSameBits(scalar.gemv(rows), y, `${what}: scalar GEMV`);
    const oracle = weights.oracle(rows, bias);
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

for (const kind of KINDS) {
  for (const G of kind.groups) {
    for (const groups of [1, 2, 3, 5]) {
      const K = groups * G;
      test(`${kind.name}: M 0..${2 * MR + 1}, N 1..17, K=${K} G=${G}`, () => {
        for (const N of upTo(17).slice(1)) {
          const bias = N % 2 ? Float32Array.from({ length: N }, () => 4 * random() - 2) : undefined;
          // All counts of rows where tiles are short; else the ends of tiles.
          const rowCounts = K <= 256 ? upTo(2 * MR + 1) : [1, 4, 5, 2 * MR + 1];
          check(kind.random(random, { N, K, G }), rowCounts, bias);
        }
      });
    }
  }

  const G = 32;
  test(`${kind.name}: row blocks of 64 and ${ROW_BLOCK} and their ends`, () => {
    const counts = [63, 64, 65, 131, ROW_BLOCK - 1, ROW_BLOCK, ROW_BLOCK + 1, 2 * ROW_BLOCK + 3];
    check(kind.random(random, { N: 9, K: 64, G }), counts);
  });

  test(`${kind.name}: the shape of a layer, many panels`, () => {
    check(kind.random(random, { N: 100, K: 1536, G: kind.groups.at(-1)! }), [1, 5]);
  });

  test(`${kind.name}: panel ranges put together equal the whole, and write their own channels only`, () => {
    const weights = kind.random(random, { N: 29, K: 96, G });
    const rows = randomRows(random, 6, 96, 8);
    for (const build of BUILDS) {
      const linear = new PackedLinear(build, weights);
      const whole = linear.gemm(rows);
      const ranges: Ranges = [[2, 4], [0, 1], [1, 2]]; // prettier-ignore
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

  test(`${kind.name}: every product at its extreme stays exact`, () => {
    const shape = { N: 8, K: 4096, G: 4096 };
    for (const { weights, value } of kind.extremes(shape)) {
      for (const activation of rangeOf(8)) {
        const rows = { M: 1, q: new Int8Array(4096).fill(activation), scales: Float32Array.of(1) };
        const expected = new Float32Array(8).fill(value * activation * 4096 || 0);
        for (const build of BUILDS) {
          const linear = new PackedLinear(build, weights);
          assertSameBits(linear.gemm(rows), expected, `${build} GEMM: ${value} * ${activation}`);
          assertSameBits(linear.gemv(rows), expected, `${build} GEMV: ${value} * ${activation}`);
        }
      }
    }
  });
}

test.run();
