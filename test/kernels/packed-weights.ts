/** Weights as the definition has them, not packed, and as a compressed-tensors file stores them. */
import type { KernelMemory } from "./kernel-memory.ts";

/** w[n, k] = scale[n, k / G] * q[n, k] */
export interface QuantizedWeights {
  N: number;
  K: number;
  /** K for 8-bit weights, whose scale is per channel. */
  G: number;
  /** [N, K]: -8..7, or -128..127 */
  q: Int8Array;
  /** [N, K/G] */
  scales: Float32Array;
}

/** Seeded weights over the whole range, with an all-zero group, and extremes in the first and last channel. */
export function randomWeights(random: () => number, N: number, K: number, G: number, bits: 4 | 8): QuantizedWeights {
  const low = -(2 ** (bits - 1));
  const q = Int8Array.from({ length: N * K }, () => low + Math.floor(random() * 2 ** bits));
  q.fill(low, 0, G);
  q.fill(-low - 1, (N - 1) * K + K - G);
  if (N > 2) q.fill(0, K, K + G);
  const scales = Float32Array.from({ length: N * (K / G) }, () => 10 ** (4 * random() - 4));
  return { N, K, G, q, scales };
}

/** `weight_packed` by the rule of compressed-tensors: code q + 2^(bits-1), element i of a row at bit i * bits. interop.md, 1.4 */
export function packToInt32(q: Int8Array, bits: 4 | 8): Int32Array {
  const perWord = 32 / bits;
  const words = new Int32Array(q.length / perWord);
  for (const [i, value] of q.entries()) {
    words[Math.floor(i / perWord)]! |= (value + 2 ** (bits - 1)) << (bits * (i % perWord));
  }
  return words;
}

/** Panels of all of `weights` in `kernel`'s memory. */
export function putPanels(kernel: KernelMemory, { N, K, G, q, scales }: QuantizedWeights, bits: 4 | 8): number {
  const source = kernel.put(packToInt32(q, bits));
  const scalesAt = kernel.put(scales);
  if (bits === 4) {
    const packed = kernel.region(kernel.run.packed_bytes_qb4w(N, K, G));
    kernel.run.pack_qb4w(source, scalesAt, packed, 0, N, N, K, G);
    return packed;
  }
  const packed = kernel.region(kernel.run.packed_bytes_qc8w(N, K));
  kernel.run.pack_qc8w(source, scalesAt, packed, 0, N, N, K);
  return packed;
}
