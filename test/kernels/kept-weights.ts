/**
 * Weights that are kept as a file has them: seeded ones as the definition has them, their panels, their
 * kernels, and the oracle.
 */
import type { KernelExports } from "../../src/kernels/kernel-table.ts";
import type { Pointer } from "../../src/kernels/pointer.ts";
import { type LinearOracle, linearOracle, type QuantizedRows, superblockOracle } from "../oracle/linear.ts";
import type { KernelMemory } from "./kernel-memory.ts";
import { packToInt32, type QuantizedWeights, randomWeights } from "./packed-weights.ts";

export interface Shape {
  N: number;
  K: number;
  /** k of a group */
  G: number;
}

/** Where the operands of a call lie. */
export interface Operands {
  q: Pointer;
  scales: Pointer;
  sums: Pointer;
  w: Pointer;
  bias: Pointer;
  y: Pointer;
  scratch: Pointer;
}

/** Weights of one kind, and everything a test wants of them. */
export interface KeptWeights extends Shape {
  /** What the weights are made of, not packed. */
  source: Readonly<Record<string, Int8Array | Uint8Array | Uint16Array | Float32Array>>;
  /** k that each of the sums beside activations is of. */
  sumsOf: number;
  packedBytes(run: KernelExports): number;
  /** Packs channels begin..end to `packed`. */
  pack(kernel: KernelMemory, packed: Pointer, begin: number, end: number): void;
  gemm(run: KernelExports, at: Operands, M: number, begin: number, end: number): void;
  gemv(run: KernelExports, at: Operands, begin: number, end: number): void;
  oracle(rows: QuantizedRows, bias?: Float32Array): LinearOracle;
}

export interface KeptKind {
  name: string;
  /** Sizes of groups to be swept. */
  groups: readonly number[];
  random(random: () => number, shape: Shape): KeptWeights;
  /** Every weight at one end or the other, with the value of each. */
  extremes(shape: Shape): { weights: KeptWeights; value: number }[];
}

/** Panels of all channels in `kernel`'s memory. */
export function putKept(kernel: KernelMemory, weights: KeptWeights): Pointer {
  const packed = kernel.region(weights.packedBytes(kernel.run));
  weights.pack(kernel, packed, 0, weights.N);
  return packed;
}

function qb8w({ N, K, G, q, scales }: QuantizedWeights): KeptWeights {
  return {
    N,
    K,
    G,
    source: { q, scales },
    sumsOf: K,
    packedBytes: (run) => run.packed_bytes_qb8w(N, K, G),
    pack(kernel, packed, begin, end) {
      const source = kernel.put(packToInt32(q.subarray(begin * K, end * K), 8));
      const scalesAt = kernel.put(scales.subarray((begin * K) / G, (end * K) / G));
      kernel.run.pack_qb8w(source, scalesAt, packed, begin, end - begin, N, K, G);
    },
    gemm: (run, at, M, begin, end) =>
      run.gemm_qd8_f32_qb8w_x8c4(at.q, at.scales, at.w, at.bias, at.y, M, N, K, G, begin, end, at.scratch),
    gemv: (run, at, begin, end) =>
      run.gemv_qd8_f32_qb8w_1x8c4(at.q, at.scales, at.w, at.bias, at.y, N, K, G, begin, end, at.scratch),
    oracle: (rows, bias) => linearOracle(rows, { N, K, G, q, scales }, G, bias),
  };
}

const ones = (count: number) => new Float32Array(count).fill(1);

export const QB8W: KeptKind = {
  name: "qb8w",
  groups: [16, 32, 64, 128],
  random: (random, { N, K, G }) => qb8w(randomWeights(random, N, K, G, 8)),
  extremes: ({ N, K, G }) =>
    [-128, 127].map((value) => ({
      value,
      weights: qb8w({ N, K, G, q: new Int8Array(N * K).fill(value), scales: ones((N * K) / G) }),
    })),
};

/** w[n, k] = scales[n, k / G] * (u[n, k] - zeros[n, k / G]) */
interface ZeroPointWeights extends Shape {
  u: Uint8Array;
  zeros: Uint8Array;
  scales: Float32Array;
}

/** Nibbles as they lie in a file's words: `packToInt32` takes them with 8 taken off. */
export const nibbles = (u: Uint8Array) => packToInt32(Int8Array.from(u, (value) => value - 8), 4); // prettier-ignore

function qb4zw({ N, K, G, u, zeros, scales }: ZeroPointWeights): KeptWeights {
  const q = Int8Array.from(u, (value, i) => value - zeros[Math.floor(i / G)]!);
  const groups = K / G;
  return {
    N,
    K,
    G,
    source: { u, zeros, scales },
    sumsOf: G,
    packedBytes: (run) => run.packed_bytes_qb4zw(N, K, G),
    pack(kernel, packed, begin, end) {
      const source = kernel.put(nibbles(u.subarray(begin * K, end * K)));
      const scalesAt = kernel.put(scales.subarray(begin * groups, end * groups));
      const zerosAt = kernel.put(zeros.subarray(begin * groups, end * groups));
      kernel.run.pack_qb4zw(source, scalesAt, zerosAt, packed, begin, end - begin, N, K, G);
    },
    gemm: (run, at, M, begin, end) =>
      run.gemm_qd8_f32_qb4zw_x8c4(at.q, at.scales, at.sums, at.w, at.bias, at.y, M, N, K, G, begin, end, at.scratch),
    gemv: (run, at, begin, end) =>
      run.gemv_qd8_f32_qb4zw_1x8c4(at.q, at.scales, at.sums, at.w, at.bias, at.y, N, K, G, begin, end, at.scratch),
    oracle: (rows, bias) => linearOracle(rows, { N, K, G, q, scales }, G, bias),
  };
}

export const QB4ZW: KeptKind = {
  name: "qb4zw",
  groups: [16, 32, 64, 128],
  random(random, { N, K, G }) {
    const u = Uint8Array.from({ length: N * K }, () => 16 * random());
    const zeros = Uint8Array.from({ length: (N * K) / G }, () => 17 * random());
    const scales = Float32Array.from({ length: (N * K) / G }, () => 10 ** (4 * random() - 4));
    // The first and the last group at an end of everything; one group all zero.
    u.fill(0, 0, G);
    zeros[0] = 16;
    u.fill(15, N * K - G);
    zeros[zeros.length - 1] = 0;
    if (N > 2) u.fill(zeros[K / G]! % 16, K, K + G);
    return qb4zw({ N, K, G, u, zeros, scales });
  },
  extremes: ({ N, K, G }) =>
    [
      [0, 16],
      [15, 0],
      [15, 16],
      [0, 0],
    ].map(([code, zero]) => ({
      value: code! - zero!,
      weights: qb4zw({
        N,
        K,
        G,
        u: new Uint8Array(N * K).fill(code!),
        zeros: new Uint8Array((N * K) / G).fill(zero!),
        scales: ones((N * K) / G),
      }),
    })),
};

/** Two levels: G is B here, k of a superblock. */
interface SuperblockWeights extends Shape {
  u: Uint8Array;
  /** [N, K/32] */
  scales: Uint8Array;
  minima: Uint8Array;
  /** [N, K/B, 2] */
  multipliers: Float32Array;
}

function qb4mw({ N, K, G: B, u, scales, minima, multipliers }: SuperblockWeights): KeptWeights {
  const groups = K / 32;
  return {
    N,
    K,
    G: B,
    source: { u, scales, minima, multipliers },
    sumsOf: 32,
    packedBytes: (run) => run.packed_bytes_qb4mw(N, K, B),
    pack(kernel, packed, begin, end) {
      const source = kernel.put(nibbles(u.subarray(begin * K, end * K)));
      const scalesAt = kernel.put(scales.subarray(begin * groups, end * groups));
      const minimaAt = kernel.put(minima.subarray(begin * groups, end * groups));
      const multipliersAt = kernel.put(multipliers.subarray((2 * begin * K) / B, (2 * end * K) / B));
      kernel.run.pack_qb4mw(source, scalesAt, minimaAt, multipliersAt, packed, begin, end - begin, N, K, B);
    },
    gemm: (run, at, M, begin, end) =>
      run.gemm_qd8_f32_qb4mw_x8c4(at.q, at.scales, at.sums, at.w, at.bias, at.y, M, N, K, B, begin, end, at.scratch),
    gemv: (run, at, begin, end) =>
      run.gemv_qd8_f32_qb4mw_1x8c4(at.q, at.scales, at.sums, at.w, at.bias, at.y, N, K, B, begin, end, at.scratch),
    oracle: (rows, bias) => superblockOracle(rows, { N, K, B, u, scales, minima, multipliers }, bias),
  };
}

export const QB4MW: KeptKind = {
  name: "qb4mw",
  // Q4_1's, an odd number of groups, an even one, Q4_K's.
  groups: [32, 96, 128, 256],
  random(random, { N, K, G }) {
    const u = Uint8Array.from({ length: N * K }, () => 16 * random());
    const bytes = () => Uint8Array.from({ length: (N * K) / 32 }, () => 256 * random());
    const [scales, minima] = [bytes(), bytes()];
    const multipliers = Float32Array.from({ length: (2 * N * K) / G }, (_, i) => (i % 5 ? 1 : -1) * 10 ** (4 * random() - 6));
    // The first and the last superblock at an end of everything; one group of nothing.
    u.fill(15, 0, G);
    scales.fill(255, 0, G / 32);
    minima.fill(255, 0, G / 32);
    minima.fill(0, minima.length - G / 32);
    if (N > 2) scales[K / 32] = minima[K / 32] = 0;
    return qb4mw({ N, K, G, u, scales, minima, multipliers });
  },
  extremes: ({ N, K, G }) =>
    [
      [15, 255, 0],
      [15, 255, 255],
      [0, 255, 255],
      [15, 1, 255],
    ].map(([code, scale, minimum]) => ({
      value: code! * scale! - minimum!,
      weights: qb4mw({
        N,
        K,
        G,
        u: new Uint8Array(N * K).fill(code!),
        scales: new Uint8Array((N * K) / 32).fill(scale!),
        minima: new Uint8Array((N * K) / 32).fill(minimum!),
        multipliers: ones((2 * N * K) / G),
      }),
    })),
};
