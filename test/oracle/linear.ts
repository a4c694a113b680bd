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

/** Weights d[n, k / B] * scales[n, k / 32] * u[n, k] - dmin[n, k / B] * minima[n, k / 32]. */
interface SuperblockWeights {
  N: number;
  K: number;
  B: number;
  u: Uint8Array;
  scales: Uint8Array;
  minima: Uint8Array;
  /** [N, K/B, 2]: d, dmin */
  multipliers: Float32Array;
}

/**
 * The same for weights in two levels. What a superblock's scales add up and what its minima do are exact
 * integers (below 2^53 here), and each passes one conversion, one multiplication by its multiplier and at
 * most 2K/B additions; then come the activation scale and the bias: n = 2K/B + 4 roundings of relative size
 * 2^-24, of the magnitudes of both parts, which may cancel.
 */
export function superblockOracle(rows: QuantizedRows, weights: SuperblockWeights, bias?: Float32Array): LinearOracle {
  const { M } = rows;
  const { N, K, B, u, scales, minima, multipliers } = weights;
  const y = new Float64Array(M * N);
  const bound = new Float64Array(M * N);
  const roundings = ((2 * K) / B + 4) * F32_EPSILON;
  for (let m = 0; m < M; m++) {
    for (let n = 0; n < N; n++) {
      let sum = 0;
      let magnitude = 0;
      for (let b = 0; b < K / B; b++) {
        let [scaled, least] = [0, 0];
        for (let k = b * B; k < (b + 1) * B; k++) {
          const group = (n * K + k) >> 5;
          const a = rows.q[m * K + k]!;
          scaled += a * scales[group]! * u[n * K + k]!;
          least += a * minima[group]!;
        }
        const [d, dmin] = multipliers.subarray(2 * (n * (K / B) + b)) as unknown as [number, number];
        sum += (d * scaled - dmin * least) * rows.scales[m]!;
        magnitude += (Math.abs(d * scaled) + Math.abs(dmin * least)) * rows.scales[m]!;
      }
      const shift = bias?.[n] ?? 0;
      y[m * N + n] = sum + shift;
      bound[m * N + n] = (roundings / (1 - roundings)) * (magnitude + Math.abs(shift));
    }
  }
  return { y, bound };
}

/** Weights scale[n, k / G] * u[n, k] + minimum[n, k / G]. */
interface AffineWeights {
  N: number;
  K: number;
  G: number;
  u: Uint8Array;
  /** [N, K/G, 2]: scale, minimum */
  affine: Float32Array;
}

/**
 * The same for weights with a scale and a minimum for each group. A group's dot product and its sum of
 * activations are exact integers, and each passes one conversion, one multiplication, the addition of the
 * other and at most K/G additions; then come the activation scale and the bias: n = K/G + 5 roundings of
 * relative size 2^-24, of the magnitudes of both parts, which may cancel.
 */
export function affineOracle(rows: QuantizedRows, weights: AffineWeights, bias?: Float32Array): LinearOracle {
  const { M } = rows;
  const { N, K, G, u, affine } = weights;
  const y = new Float64Array(M * N);
  const bound = new Float64Array(M * N);
  const roundings = (K / G + 5) * F32_EPSILON;
  for (let m = 0; m < M; m++) {
    for (let n = 0; n < N; n++) {
      let sum = 0;
      let magnitude = 0;
      for (let g = 0; g < K / G; g++) {
        let [dot, total] = [0, 0];
        for (let k = g * G; k < (g + 1) * G; k++) {
          const a = rows.q[m * K + k]!;
          dot += a * u[n * K + k]!;
          total += a;
        }
        const [scale, minimum] = affine.subarray(2 * (n * (K / G) + g)) as unknown as [number, number];
        sum += (scale * dot + minimum * total) * rows.scales[m]!;
        magnitude += (Math.abs(scale * dot) + Math.abs(minimum * total)) * rows.scales[m]!;
      }
      const shift = bias?.[n] ?? 0;
      y[m * N + n] = sum + shift;
      bound[m * N + n] = (roundings / (1 - roundings)) * (magnitude + Math.abs(shift));
    }
  }
  return { y, bound };
}
