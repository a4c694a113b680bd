/**
 * Packing of weights that are kept as a file has them: the drawings of assembly/layouts/layout-kept.ts, the
 * scalar twin, and packing in pieces.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { mulberry32 } from "../random.ts";
import { KernelMemory, SIMD_BUILDS, type TestedBuild } from "./kernel-memory.ts";
import { QB4AW, QB8AW } from "./affine-weights.ts";
import { type KeptKind, type KeptWeights, putKept, QB4MW, QB4ZW, QB8W, type Shape } from "./kept-weights.ts";

const BUILDS: TestedBuild[] = ["scalar", ...SIMD_BUILDS];
const test = suite("pack kept weights (seed 41)");
const random = mulberry32(41);

interface Drawing {
  kind: KeptKind;
  /** Bytes of a panel. */
  panelBytes(shape: Shape): number;
  /** What w[n, k] is made of, read from a panel: the channel's place in it is `c`. */
  read(panel: DataView, shape: Shape, c: number, k: number): number[];
  /** The same from the weights themselves; a channel that is missing has zeros. */
  parts(weights: KeptWeights, n: number, k: number): number[];
}

/** The nibble of channel c and k of the blocks of 16 bytes that begin at `at`. */
const nibble = (panel: DataView, at: number, c: number, k: number) => {
  const byte = panel.getUint8(at + Math.floor(k / 4) * 16 + (c % 4) * 4 + (k % 4));
  return c < 4 ? byte & 15 : byte >> 4;
};

const DRAWINGS: Drawing[] = [
  {
    kind: QB8W,
    panelBytes: ({ K, G }) => (K / G) * (32 + 8 * G),
    read(panel, { G }, c, k) {
      const group = Math.floor(k / G) * (32 + 8 * G);
      const at = group + 32 + Math.floor((k % G) / 4) * 32 + c * 4 + (k % 4);
      return [panel.getInt8(at), panel.getFloat32(group + 4 * c, true)];
    },
    parts: ({ K, G, source }, n, k) => [source["q"]![n * K + k]!, source["scales"]![Math.floor((n * K + k) / G)]!],
  },
  {
    kind: QB4ZW,
    panelBytes: ({ K, G }) => (K / G) * (48 + 4 * G),
    read(panel, { G }, c, k) {
      const group = Math.floor(k / G) * (48 + 4 * G);
      const scale = panel.getFloat32(group + 4 * c, true);
      return [nibble(panel, group + 48, c, k % G), panel.getInt16(group + 32 + 2 * c, true), scale];
    },
    parts({ K, G, source }, n, k) {
      const group = Math.floor((n * K + k) / G);
      return [source["u"]![n * K + k]!, source["zeros"]![group]!, source["scales"]![group]!];
    },
  },
  {
    kind: QB4MW,
    panelBytes: ({ K, G: B }) => (K / B) * (64 + 32 * Math.ceil(B / 64) + 4 * B),
    read(panel, { G: B }, c, k) {
      const pairs = Math.ceil(B / 64);
      const block = Math.floor(k / B) * (64 + 32 * pairs + 4 * B);
      const group = Math.floor((k % B) / 32);
      return [
        nibble(panel, block + 64 + 32 * pairs + 128 * group, c, k % 32),
        panel.getUint8(block + 64 + 16 * pairs + 8 * group + c),
        panel.getUint8(block + 64 + 16 * Math.floor(group / 2) + 2 * c + (group % 2)),
        panel.getFloat32(block + 4 * c, true),
        panel.getFloat32(block + 32 + 4 * c, true),
      ];
    },
    parts({ K, G: B, source }, n, k) {
      const group = (n * K + k) >> 5;
      const block = Math.floor((n * K + k) / B);
      const [d, dmin] = source["multipliers"]!.slice(2 * block, 2 * block + 2);
      return [source["u"]![n * K + k]!, source["scales"]![group]!, source["minima"]![group]!, d!, dmin!];
    },
  },
  {
    kind: QB4AW,
    panelBytes: ({ K, G }) => (K / G) * (32 + 4 * G),
    read(panel, { G }, c, k) {
      const group = Math.floor(k / G) * (32 + 4 * G);
      const [d, m] = [panel.getUint16(group + 2 * c, true), panel.getUint16(group + 16 + 2 * c, true)];
      return [nibble(panel, group + 32, c, k % G), d, m];
    },
    parts({ K, G, source }, n, k) {
      const group = Math.floor((n * K + k) / G);
      return [source["u"]![n * K + k]!, ...source["halves"]!.slice(2 * group, 2 * group + 2)];
    },
  },
  {
    kind: QB8AW,
    panelBytes: ({ K, G }) => (K / G) * (64 + 8 * G),
    read(panel, { G }, c, k) {
      const group = Math.floor(k / G) * (64 + 8 * G);
      const at = group + 64 + Math.floor((k % G) / 4) * 32 + c * 4 + (k % 4);
      return [panel.getInt8(at), panel.getFloat32(group + 4 * c, true), panel.getFloat32(group + 32 + 4 * c, true)];
    },
    parts({ K, G, source }, n, k) {
      const group = Math.floor((n * K + k) / G);
      return [source["u"]![n * K + k]! - 128, ...source["affine"]!.slice(2 * group, 2 * group + 2)];
    },
  },
];

for (const { kind, panelBytes, read, parts } of DRAWINGS) {
  for (const G of kind.groups) {
    for (const groups of [1, 3]) {
      for (const N of [1, 3, 4, 5, 7, 8, 9, 16, 17]) {
        const shape = { N, K: groups * G, G };
        test(`${kind.name}: every part of a weight lies where the drawing says: N=${N} K=${shape.K} G=${G}`, () => {
          const weights = kind.random(random, shape);
          const panels = Math.ceil(N / 8);
          const size = panels * panelBytes(shape);
          const packed = BUILDS.map((build) => {
            const kernel = new KernelMemory(build);
            const bytes = kernel.bytes(putKept(kernel, weights), size);
            assert.ok(kernel.untouched(), `${build} wrote past the end of a region`);
            assert.is(weights.packedBytes(kernel.run), size, `${build}: packed bytes`);
            return bytes;
          });
          for (const other of packed.slice(1)) assert.equal(other, packed[0], "twin");
          for (let n = 0; n < panels * 8; n++) {
            const panel = new DataView(packed[0]!.buffer, (n >> 3) * panelBytes(shape), panelBytes(shape));
            for (let k = 0; k < shape.K; k++) {
              const found = read(panel, shape, n % 8, k);
              const expected = n < N ? parts(weights, n, k) : found.map(() => 0);
              if (found.some((part, i) => part !== expected[i]))
                assert.unreachable(`n=${n} k=${k}: got ${found.join(", ")}, expected ${expected.join(", ")}`);
            }
          }
        });
      }
    }
  }

  test(`${kind.name}: pieces packed in any order equal the whole`, () => {
    const shape = { N: 27, K: 96, G: 32 };
    const weights = kind.random(random, shape);
    for (const build of BUILDS) {
      const kernel = new KernelMemory(build);
      const bytes = weights.packedBytes(kernel.run);
      const whole = kernel.bytes(putKept(kernel, weights), bytes);
      const packed = kernel.region(bytes);
      for (const [begin, end] of [[16, 27], [0, 8], [8, 16]] as const) weights.pack(kernel, packed, begin, end); // prettier-ignore
      assert.equal(kernel.bytes(packed, bytes), whole, build);
      assert.ok(kernel.untouched(), `${build} wrote past the end of a region`);
    }
  });
}

test.run();
