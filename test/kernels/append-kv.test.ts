import { suite } from "uvu";
import * as assert from "uvu/assert";
import { quantizeStatic } from "../oracle/attention.ts";
import { mulberry32, normal } from "../random.ts";
import { KernelMemory, SIMD_BUILDS } from "./kernel-memory.ts";

const SEED = 32;
const test = suite(`append to the KV cache (seed ${SEED})`);
const gaussian = normal(mulberry32(SEED));

/** Element offsets as the boxes of assembly/layout-kv.ts draw them; T is the capacity rounded up to 8. */
const INTERLEAVED = [0, 2, 1, 3];
const LAYOUTS = {
  k_f32: (t: number, d: number, D: number) => (Math.floor(t / 8) * D + d) * 8 + (t % 8),
  v_f32: (t: number, d: number, _D: number, T: number) => (Math.floor(d / 8) * T + t) * 8 + (d % 8),
  k_qs8: (t: number, d: number, D: number) =>
    ((Math.floor(t / 8) * D) / 4 + Math.floor(d / 4)) * 32 + (t % 8) * 4 + INTERLEAVED[d % 4]!,
  v_qs8: (t: number, d: number, _D: number, T: number) =>
    ((Math.floor(d / 8) * T) / 4 + Math.floor(t / 4)) * 32 + (d % 8) * 4 + INTERLEAVED[t % 4]!,
};
type Cache = keyof typeof LAYOUTS;

for (const build of ["scalar", ...SIMD_BUILDS] as const) {
  for (const cache of Object.keys(LAYOUTS) as Cache[]) {
    test(`${build} append_${cache}: each element at its place, no other byte touched`, () => {
      for (const [Hkv, D, S] of [
        [1, 8, 1],
        [3, 64, 21],
        [2, 16, 72],
        [1, 128, 16],
      ] as const) {
        // prettier-ignore
        for (const [position, M] of [[0, 1], [0, 0], [S - 1, 1], [0, S], [S >> 1, S - (S >> 1)]] as const) { // prettier-ignore
          const kernels = new KernelMemory(build);
          const [part, type] = cache.split("_") as ["k" | "v", "f32" | "qs8"];
          const T = Math.ceil(S / 8) * 8;
          const stride = Hkv * D + 24;
          const scale = Math.fround(3 / 127); // a part of the normal values saturates
          const x = Float32Array.from({ length: M * stride }, gaussian);
          const size = kernels.run[`${part}_cache_bytes_${type}`](Hkv, S, D);
          assert.is(size, Hkv * T * D * (type === "f32" ? 4 : 1), "size");
          const pointer = kernels.region(size);
          const bytes = kernels.bytes(pointer, size);
          const expected = type === "f32" ? new Float32Array(bytes.buffer) : new Int8Array(bytes.buffer);
          for (let m = 0; m < M; m++) {
            for (let g = 0; g < Hkv; g++) {
              for (let d = 0; d < D; d++) {
                const value = x[m * stride + g * D + d]!;
                const at = g * T * D + LAYOUTS[cache](position + m, d, D, T);
                expected[at] = type === "f32" ? value : quantizeStatic(value, scale);
              }
            }
          }
          const at = kernels.put(x);
          const append = (begin: number, end: number) => {
            if (type === "f32") kernels.run[`append_${part}_f32`](at, pointer, position, stride, Hkv, D, S, begin, end);
            else kernels.run[`append_${part}_qs8`](at, pointer, position, stride, Hkv, D, S, scale, begin, end);
          };
          // In two ranges of rows, as two threads would.
          append(M >> 1, M);
          append(0, M >> 1);
          assert.equal(kernels.bytes(pointer, size), bytes, `Hkv=${Hkv} D=${D} S=${S} position=${position} M=${M}`);
          assert.ok(kernels.untouched(), "wrote past the end of a region");
        }
      }
    });
  }

  test(`${build}: ties go to even, infinity saturates, NaN is stored as 0`, () => {
    const kernels = new KernelMemory(build);
    const x = Float32Array.from([0.5, 1.5, -2.5, 126.5, 1e30, -Infinity, NaN, -0.4]);
    const cache = kernels.region(kernels.run.v_cache_bytes_qs8(1, 1, 8));
    kernels.run.append_v_qs8(kernels.put(x), cache, 0, 8, 1, 8, 1, 1, 0, 1);
    const stored = kernels.i8(cache, 32).filter((_, i) => i % 4 === 0);
    assert.equal([...stored], [0, 2, -2, 126, 127, -128, 0, 0]);
  });
}

test.run();
