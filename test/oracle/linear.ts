/**
 * y = x w^T + bias of quantized operands in double precision, from unpacked data; knows nothing of panels or
 * tiles.
 */
import { F32_EPSILON } from "./compare.ts";

/** Activations a[m, k] * scales[m]. */
export interface QuantizedRows {
  M: number;
  /** [M, K], of 8 or 14 bits */
  q: Int8Array | Int16Array;
  /** [M] */
  scales: Float32Array;
}

/** Weights scales[n, k / G] * q[n, k], as in test/kernels/packed-weights.ts. */
interface Weights {
  N: number;
  K: number;
  G: number;
  q: Int8Array;
  scales: Float32Array;
}

export interface LinearOracle {
  /** [M, N] */
  y: Float64Array;
  /** [M, N]: the most that a correct kernel may be away. */
  bound: Float64Array;
}

/**
 * The bound is that of the definition's own roundings (Higham, Accuracy and Stability of Numerical
 * Algorithms, section 3.1): a group's dot product is exact and then passes one conversion, one multiplication
 * by its scale, at most K/G additions, one multiplication by the activation scale and one addition of the
 * bias: n = K/G + 4 roundings, each of relative size at most u = 2^-24. |error| <= n u / (1 - n u) *
 * (scales[m] * sum over g of |dot_g * scale_g| + |bias|). Values stay far above the smallest normal number.
 * @param block k whose products are added exactly: a group, or part of one; the n above counts blocks
 */
export function linearOracle(rows: QuantizedRows, weights: Weights, block: number, bias?: Float32Array): LinearOracle {
  const { M } = rows;
  const { N, K, G } = weights;
  const y = new Float64Array(M * N);
  const bound = new Float64Array(M * N);
  const blocks = Math.ceil(K / block);
  const roundings = (blocks + 4) * F32_EPSILON;
  for (let m = 0; m < M; m++) {
    for (let n = 0; n < N; n++) {
      let sum = 0;
      let magnitude = 0;
      for (let begin = 0; begin < K; begin += block) {
        let dot = 0;
        for (let k = begin; k < Math.min(K, begin + block); k++) dot += rows.q[m * K + k]! * weights.q[n * K + k]!;
        const term = dot * weights.scales[n * (K / G) + Math.floor(begin / G)]! * rows.scales[m]!;
        sum += term;
        magnitude += Math.abs(term);
      }
      const b = bias?.[n] ?? 0;
      y[m * N + n] = sum + b;
      bound[m * N + n] = (roundings / (1 - roundings)) * (magnitude + Math.abs(b));
    }
  }
  return { y, bound };
}
