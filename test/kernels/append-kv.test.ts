import { suite } from "uvu";
import * as assert from "uvu/assert";
import { quantizeStatic } from "../oracle/attention.ts";
import { mulberry32, normal } from "../random.ts";
import { KernelMemory, SIMD_BUILDS } from "./kernel-memory.ts";

const SEED = 32;
const test = suite(`append to the KV cache (seed ${SEED})`);
const gaussian = normal(mulberry32(SEED));

/** Element offsets in a head of a block as the boxes of assembly/layouts/layout-kv.ts draw them. */
const INTERLEAVED = [0, 2, 1, 3];
const BLOCK = 64;
const LAYOUTS = {
  k_f32: (t: number, d: number, D: number) => (Math.floor(t / 8) * D + d) * 8 + (t % 8),
  v_f32: (t: number, d: number) => (Math.floor(d / 8) * BLOCK + t) * 8 + (d % 8),
  k_qs8: (t: number, d: number, D: number) =>
    ((Math.floor(t / 8) * D) / 4 + Math.floor(d / 4)) * 32 + (t % 8) * 4 + INTERLEAVED[d % 4]!,
  v_qs8: (t: number, d: number) => (Math.floor(d / 8) * (BLOCK / 4) + Math.floor(t / 4)) * 32 + (d % 8) * 4 + INTERLEAVED[t % 4]!,
};
type Cache = keyof typeof LAYOUTS;

/** Rows of one call: [block table, position], tables as below. */
const TABLES = [Int32Array.of(4, 1), Int32Array.of(0), Int32Array.of(4, 2)];
const one = (table: number, position: number, M: number) => Array.from({ length: M }, (_, m) => [table, position + m] as const);
const CALLS = [
  [],
  one(0, 0, 1),
  one(0, 63, 1),
  one(0, 127, 1),
  one(0, 0, 128),
  one(1, 7, 21),
  one(0, 60, 9),
  // Three sequences, one of which shares the other's first block.
  [...one(0, 70, 2), ...one(1, 0, 3), ...one(2, 64, 5)],
  [...one(2, 127, 1), ...one(0, 65, 1), ...one(1, 33, 1)],
];

for (const build of ["scalar", ...SIMD_BUILDS] as const) {
  test(`${build}: sizes count whole blocks of 64 tokens`, () => {
    const { run } = new KernelMemory(build);
    for (const [S, blocks] of [
      [0, 0],
      [1, 1],
      [63, 1],
      [64, 1],
      [65, 2],
      [4096, 64],
    ] as const)
      // prettier-ignore
      for (const part of ["k", "v"] as const) {
        assert.is(run[`${part}_cache_bytes_f32`](3, S, 16), blocks * 3 * 64 * 16 * 4);
        assert.is(run[`${part}_cache_bytes_qs8`](3, S, 16), blocks * 3 * 64 * 16);
      }
  });

  for (const cache of Object.keys(LAYOUTS) as Cache[]) {
    test(`${build} append_${cache}: each element at its place, no other byte touched`, () => {
      for (const [Hkv, D] of [
        [1, 8],
        [3, 64],
        [2, 16],
        [1, 128],
      ] as const) {
        for (const call of CALLS) {
          const kernels = new KernelMemory(build);
          const [part, type] = cache.split("_") as ["k" | "v", "f32" | "qs8"];
          const M = call.length;
          const stride = Hkv * D + 24;
          const scale = Math.fround(3 / 127); // a part of the normal values saturates
          const x = Float32Array.from({ length: M * stride }, gaussian);
          const size = kernels.run[`${part}_cache_bytes_${type}`](Hkv, 5 * BLOCK, D);
          const pointer = kernels.region(size);
          const bytes = kernels.bytes(pointer, size);
          const expected = type === "f32" ? new Float32Array(bytes.buffer) : new Int8Array(bytes.buffer);
          call.forEach(([table, position], m) => {
            const block = TABLES[table]![Math.floor(position / BLOCK)]!;
            for (let g = 0; g < Hkv; g++) {
              for (let d = 0; d < D; d++) {
                const value = x[m * stride + g * D + d]!;
                const at = (block * Hkv + g) * BLOCK * D + LAYOUTS[cache](position % BLOCK, d, D);
                expected[at] = type === "f32" ? value : quantizeStatic(value, scale);
              }
            }
          });
          const at = kernels.put(x);
          const tables = TABLES.map((table) => kernels.put(table));
          const rows = kernels.put(Int32Array.from(call.flatMap(([table, position]) => [position, tables[table]!])));
          const append = (begin: number, end: number) => {
            if (type === "f32") kernels.run[`append_${part}_f32`](at, pointer, rows, stride, Hkv, D, begin, end);
            else kernels.run[`append_${part}_qs8`](at, pointer, rows, stride, Hkv, D, scale, begin, end);
          };
          // In two ranges of rows, as two threads would.
          append(M >> 1, M);
          append(0, M >> 1);
          assert.equal(kernels.bytes(pointer, size), bytes, `Hkv=${Hkv} D=${D} rows ${JSON.stringify(call)}`);
          assert.ok(kernels.untouched(), "wrote past the end of a region");
        }
      }
    });
  }

  test(`${build}: ties go to even, infinity saturates, NaN is stored as 0`, () => {
    const kernels = new KernelMemory(build);
    const x = Float32Array.from([0.5, 1.5, -2.5, 126.5, 1e30, -Infinity, NaN, -0.4]);
    const cache = kernels.region(kernels.run.v_cache_bytes_qs8(1, 1, 8));
    const rows = kernels.put(Int32Array.of(0, kernels.put(Int32Array.of(0))));
    kernels.run.append_v_qs8(kernels.put(x), cache, rows, 8, 1, 8, 1, 0, 1);
    const stored = kernels.i8(cache, 32).filter((_, i) => i % 4 === 0);
    assert.equal([...stored], [0, 2, -2, 126, 127, -128, 0, 0]);
  });
}

test.run();
