/** Weights as the definition has them, not packed, and as a compressed-tensors file stores them. */
import type { Pointer } from "../../src/kernels/pointer.ts";
import type { KernelMemory } from "./kernel-memory.ts";

/** Integers of so many bits, or 4-bit floats: what qb4w, qc8w and qb4fw hold. */
export type WeightCodes = 4 | 8 | "e2m1";

/** Twice what the codes 0..15 of E2M1 mean (OCP Microscaling Formats 1.0, section 5.3.3). */
export const E2M1_DOUBLED: readonly number[] = [0, 1, 2, 3, 4, 6, 8, 12, -0, -1, -2, -3, -4, -6, -8, -12];

/** w[n, k] = scale[n, k / G] * q[n, k] */
export interface QuantizedWeights {
  N: number;
  K: number;
  /** K for 8-bit weights, whose scale is per channel. */
  G: number;
  /** [N, K]: -8..7, or -128..127; qb4fw: twice E2M1, and scales are half of its own */
  q: Int8Array;
  /** [N, K/G] */
  scales: Float32Array;
}

/**
 * Seeded weights over the whole range, with an all-zero group, and extremes in the first and last channel.
 */
export function randomWeights(random: () => number, N: number, K: number, G: number, codes: WeightCodes): QuantizedWeights {
  const [low, high] = extremes(codes);
  const draw =
    codes === "e2m1" ? () => E2M1_DOUBLED[Math.floor(random() * 16)]! : () => low + Math.floor(random() * (high - low + 1));
  const q = Int8Array.from({ length: N * K }, draw);
  q.fill(low, 0, G);
  q.fill(high, (N - 1) * K + K - G);
  if (N > 2) q.fill(0, K, K + G);
  const scales = Float32Array.from({ length: N * (K / G) }, () => 10 ** (4 * random() - 4));
  return { N, K, G, q, scales };
}

export function extremes(codes: WeightCodes): [number, number] {
  return codes === "e2m1" ? [-12, 12] : codes === 4 ? [-8, 7] : [-128, 127];
}

/**
 * E2M1 codes of doubled values as 4-bit integers with the same nibbles. A zero takes either of its codes by
 * turns.
 */
function codesAsIntegers(doubled: Int8Array): Int8Array {
  return doubled.map((value, i) => (value === 0 ? 8 * (i % 2) : E2M1_DOUBLED.indexOf(value)) - 8);
}

/**
 * `weight_packed` by the rule of compressed-tensors: code q + 2^(bits-1), element i of a row at bit i * bits.
 * interop.md, 1.4
 */
export function packToInt32(q: Int8Array, bits: 4 | 8): Int32Array {
  const perWord = 32 / bits;
  const words = new Int32Array(q.length / perWord);
  for (const [i, value] of q.entries()) {
    words[Math.floor(i / perWord)]! |= (value + 2 ** (bits - 1)) << (bits * (i % perWord));
  }
  return words;
}

/** Panels of all of `weights` in `kernel`'s memory. */
export function putPanels(kernel: KernelMemory, { N, K, G, q, scales }: QuantizedWeights, codes: WeightCodes): Pointer {
  const source = kernel.put(packToInt32(codes === "e2m1" ? codesAsIntegers(q) : q, codes === 8 ? 8 : 4));
  const scalesAt = kernel.put(scales);
  if (codes !== 8) {
    const packed = kernel.region(kernel.run.packed_bytes_qb4w(N, K, G));
    kernel.run.pack_qb4w(source, scalesAt, packed, 0, N, N, K, G);
    return packed;
  }
  const packed = kernel.region(kernel.run.packed_bytes_qc8w(N, K));
  kernel.run.pack_qc8w(source, scalesAt, packed, 0, N, N, K);
  return packed;
}
