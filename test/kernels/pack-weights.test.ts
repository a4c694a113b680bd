/**
 * Packing: the rule of compressed-tensors, the drawings of assembly/layouts/layout.ts, and packing in pieces.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { mulberry32 } from "../random.ts";
import { KernelMemory, SIMD_BUILDS, type TestedBuild } from "./kernel-memory.ts";
import { packToInt32, putPanels, type QuantizedWeights, randomWeights } from "./packed-weights.ts";

const BUILDS: TestedBuild[] = ["scalar", ...SIMD_BUILDS];
const test = suite("pack weights (seed 11)");
const random = mulberry32(11);

test("the rule equals the golden vectors of compressed-tensors", () => {
  assert.equal([...packToInt32(Int8Array.of(1, 2, 3, 4, 5, 6, 7, 0), 4)], [-1880241239]);
  assert.equal([...packToInt32(Int8Array.of(-1, -2, -3, -4, -5, -6, -7, -8), 4)], [19088743]);
  assert.equal([...packToInt32(Int8Array.of(-128, 127, 0, 1), 8)], [0x8180ff00 | 0]);
});

/**
 * Where the weights of a panel of 8 bits begin: behind its scales and the offsets of its blocks of 2048 k.
 */
const weightsAt8 = (K: number) => 32 + 32 * Math.ceil(K / 2048);
const panelBytes8 = (K: number) => weightsAt8(K) + 8 * K;

/** Reads a weight back as the drawing says, by byte and nibble. */
function weightAt(
  bytes: Uint8Array,
  { K, G }: QuantizedWeights,
  bits: 4 | 8,
  n: number,
  k: number,
): { q: number; scale: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const c = n % 8;
  if (bits === 8) {
    const panel = Math.floor(n / 8) * panelBytes8(K);
    const at = panel + weightsAt8(K) + Math.floor(k / 4) * 32 + c * 4 + (k % 4);
    return { q: view.getInt8(at), scale: view.getFloat32(panel + 4 * c, true) };
  }
  const group = (Math.floor(n / 8) * (K / G) + Math.floor(k / G)) * (32 + 4 * G);
  const byte = bytes[group + 32 + Math.floor((k % G) / 4) * 16 + (c % 4) * 4 + (k % 4)]!;
  return { q: (c < 4 ? byte & 15 : byte >> 4) - 8, scale: view.getFloat32(group + 4 * c, true) };
}

for (const bits of [4, 8] as const) {
  for (const groupSize of [16, 32, 64, 128]) {
    for (const groups of [1, 3]) {
      for (const N of [1, 3, 4, 5, 7, 8, 9, 16, 17]) {
        const K = groups * groupSize;
        const G = bits === 4 ? groupSize : K;
        test(`${bits} bits: every weight and scale lies where the drawing says: N=${N} K=${K} G=${G}`, () => {
          const weights = randomWeights(random, N, K, G, bits);
          const panels = Math.ceil(N / 8);
          const size = panels * (bits === 4 ? (K / G) * (32 + 4 * G) : panelBytes8(K));
          const packed = BUILDS.map((build) => {
            const kernel = new KernelMemory(build);
            const bytes = kernel.bytes(putPanels(kernel, weights, bits), size);
            assert.ok(kernel.untouched(), `${build} wrote past the end of a region`);
            const declared = bits === 4 ? kernel.run.packed_bytes_qb4w(N, K, G) : kernel.run.packed_bytes_qc8w(N, K);
            assert.is(declared, size, `${build}: packed bytes`);
            return bytes;
          });
          assert.equal(packed[0], packed[1], "twin");
          for (let n = 0; n < panels * 8; n++) {
            for (let k = 0; k < K; k++) {
              const { q, scale } = weightAt(packed[1]!, weights, bits, n, k);
              const expected = n < N ? weights.q[n * K + k] : 0;
              const expectedScale = n < N ? weights.scales[n * (K / G) + Math.floor(k / G)] : 0;
              if (q !== expected || scale !== expectedScale)
                assert.unreachable(`n=${n} k=${k}: got ${q} * ${scale}, expected ${expected} * ${expectedScale}`);
            }
          }
        });
      }
    }
  }

  if (bits === 8) {
    test("8 bits: a channel's offsets are -64 times the sums of its blocks of 2048 k", () => {
      for (const K of [16, 2032, 2048, 2064, 4096, 4112]) {
        const weights = randomWeights(random, 13, K, K, 8);
        for (const build of BUILDS) {
          const kernel = new KernelMemory(build);
          const panels = new DataView(kernel.bytes(putPanels(kernel, weights, 8), 2 * panelBytes8(K)).buffer);
          for (let n = 0; n < 16; n++) {
            for (let block = 0; block < Math.ceil(K / 2048); block++) {
              const q = n < 13 ? weights.q.subarray(n * K + 2048 * block, n * K + Math.min(K, 2048 * (block + 1))) : [];
              const sum = [...q].reduce((total, value) => total + value, 0);
              const offset = panels.getInt32((n >> 3) * panelBytes8(K) + 32 * (1 + block) + 4 * (n & 7), true);
              assert.is(offset, -64 * sum || 0, `${build}: K=${K} n=${n} block ${block}`);
            }
          }
        }
      }
    });
  }

  test(`${bits} bits: pieces packed in any order equal the whole`, () => {
    const [N, K] = [27, 96];
    const G = bits === 4 ? 32 : K;
    const weights = randomWeights(random, N, K, G, bits);
    for (const build of BUILDS) {
      const kernel = new KernelMemory(build);
      const { run } = kernel;
      const bytes = bits === 4 ? run.packed_bytes_qb4w(N, K, G) : run.packed_bytes_qc8w(N, K);
      const whole = kernel.bytes(putPanels(kernel, weights, bits), bytes);
      const packed = kernel.region(bytes);
      for (const [begin, end] of [
        [16, 27],
        [0, 8],
        [8, 16],
      ] as const) {
        const source = kernel.put(packToInt32(weights.q.subarray(begin * K, end * K), bits));
        const scales = kernel.put(weights.scales.subarray((begin * K) / G, (end * K) / G));
        if (bits === 4) run.pack_qb4w(source, scales, packed, begin, end - begin, N, K, G);
        else run.pack_qc8w(source, scales, packed, begin, end - begin, N, K);
      }
      assert.equal(kernel.bytes(packed, bytes), whole, build);
      assert.ok(kernel.untouched(), `${build} wrote past the end of a region`);
    }
  });
}

test.run();
