import { suite } from "uvu";
import * as assert from "uvu/assert";
import { dynamicScale, quantizeStatic } from "../oracle/attention.ts";
import { mulberry32, normal } from "../random.ts";
import { offsetBy } from "../../src/kernels/pointer.ts";
import { KernelMemory, SIMD_BUILDS } from "./kernel-memory.ts";

const SEED = 32;
const test = suite(`append to the KV cache (seed ${SEED})`);
const gaussian = normal(mulberry32(SEED));

/** Element offsets in a head of a block as the boxes of assembly/layouts/layout-kv.ts draw them. */
const INTERLEAVED = [0, 2, 1, 3];
const BLOCK = 64;
const LAYOUTS: Record<Layout, (t: number, d: number, D: number) => number> = {
  k_f32: (t: number, d: number, D: number) => (Math.floor(t / 8) * D + d) * 8 + (t % 8),
  v_f32: (t: number, d: number) => (Math.floor(d / 8) * BLOCK + t) * 8 + (d % 8),
  k_qs8: (t: number, d: number, D: number) =>
    ((Math.floor(t / 8) * D) / 4 + Math.floor(d / 4)) * 32 + (t % 8) * 4 + INTERLEAVED[d % 4]!,
  v_qs8: (t: number, d: number) => (Math.floor(d / 8) * (BLOCK / 4) + Math.floor(t / 4)) * 32 + (d % 8) * 4 + INTERLEAVED[t % 4]!,
};
type Part = "k" | "v";
type Layout = `${Part}_${"f32" | "qs8"}`;
/** A dynamic cache is a static one with the scales of a head's 64 tokens behind it. */
const CACHES = ["k_f32", "v_f32", "k_qs8", "v_qs8", "k_qd8", "v_qd8"] as const;

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
        assert.is(run[`${part}_cache_bytes_qd8`](3, S, 16), blocks * 3 * 64 * (16 + 4));
      }
  });

  for (const cache of CACHES) {
    test(`${build} append_${cache}: each element at its place, no other byte touched`, () => {
      for (const [Hkv, D] of [
        [1, 8],
        [3, 64],
        [2, 16],
        [1, 128],
      ] as const) {
        for (const call of CALLS) {
          const kernels = new KernelMemory(build);
          const [part, type] = cache.split("_") as [Part, "f32" | "qs8" | "qd8"];
          const layout = LAYOUTS[`${part}_${type === "f32" ? "f32" : "qs8"}`];
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
              const head = x.subarray(m * stride + g * D, m * stride + (g + 1) * D);
              const own = type === "qd8" ? dynamicScale(head) : scale;
              const begin = (block * Hkv + g) * BLOCK * (D + (type === "qd8" ? 4 : 0));
              head.forEach((value, d) => {
                expected[begin + layout(position % BLOCK, d, D)] = type === "f32" ? value : quantizeStatic(value, own);
              });
              const scaleAt = begin + BLOCK * D + 4 * (position % BLOCK);
              if (type === "qd8") new DataView(bytes.buffer).setFloat32(scaleAt, own, true);
            }
          });
          const at = kernels.put(x);
          const tables = TABLES.map((table) => kernels.put(table));
          const rows = kernels.put(Int32Array.from(call.flatMap(([table, position]) => [position, tables[table]!])));
          const append = (begin: number, end: number) => {
            if (type !== "qs8") kernels.run[`append_${part}_${type}`](at, pointer, rows, stride, Hkv, D, begin, end);
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

  for (const part of ["k", "v"] as const) {
    /** One head appended as token 1: its elements in their order, and the scale. */
    const appended = (x: readonly number[]) => {
      const kernels = new KernelMemory(build);
      const D = x.length;
      const cache = kernels.region(kernels.run[`${part}_cache_bytes_qd8`](1, 2, D));
      const rows = kernels.put(Int32Array.of(1, kernels.put(Int32Array.of(0))));
      kernels.run[`append_${part}_qd8`](kernels.put(Float32Array.from(x)), cache, rows, D, 1, D, 0, 1);
      const bytes = kernels.i8(cache, BLOCK * D);
      const q = x.map((_, d) => bytes[LAYOUTS[`${part}_qs8`](1, d, D)]!);
      return { q, scale: kernels.f32(offsetBy(cache, BLOCK * D + 4), 1)[0]! };
    };

    test(`${build} append_${part}_qd8: the largest is 127, ties go to even, zeros have scale 0`, () => {
      assert.equal(appended([0.5, 1.5, -2.5, 126.5, -127, 0, -0.4, 3]), { q: [0, 2, -2, 126, -127, 0, 0, 3], scale: 1 });
      assert.equal(appended([-0, 0, 0, 0, 0, 0, 0, 0]), { q: [0, 0, 0, 0, 0, 0, 0, 0], scale: 0 });
    });

    test(`${build} append_${part}_qd8: the ends of float32's range`, () => {
      const most = 2 ** 127 * (2 - 2 ** -23);
      const large = appended([most, -most, most / 4, 0, 0, 0, 0, 0]);
      assert.equal(large.q, [127, -127, 32, 0, 0, 0, 0, 0]);
      assert.is(large.scale, Math.fround(most / 127));
      // The scale of 100 * 2^-149 is a whole unit of it, that of 60 none.
      const least = 2 ** -149;
      assert.equal(appended([100 * least, -3 * least, 0, 0, 0, 0, 0, 0]), { q: [100, -3, 0, 0, 0, 0, 0, 0], scale: least });
      const none = appended([60 * least, -3 * least, 0, 0, 0, 0, 0, 0]);
      assert.equal(none, { q: [0, 0, 0, 0, 0, 0, 0, 0], scale: 0 });
      // And 190 * 2^-149 rounds to one unit, which int8 cannot count to.
      assert.equal(appended([190 * least, -190 * least, 0, 0, 0, 0, 0, 0]), { q: [127, -128, 0, 0, 0, 0, 0, 0], scale: least });
    });

    test(`${build} append_${part}_qd8: NaN and infinity make the scale NaN, wherever they are`, () => {
      for (const bad of [NaN, Infinity, -Infinity]) {
        for (let d = 0; d < 16; d++) {
          const x = Array.from({ length: 16 }, (_, i) => (i === d ? bad : i - 8));
          const { q, scale } = appended(x);
          assert.ok(Number.isNaN(scale), `${bad} at ${d}: got ${scale}`);
          assert.equal(
            q,
            x.map(() => 0),
            `${bad} at ${d}`,
          );
        }
      }
    });
  }
}

test.run();
