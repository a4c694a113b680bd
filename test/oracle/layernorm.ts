/** LayerNorm in double precision, and what f32 may lose of it. */
import { F32_EPSILON } from "./compare.ts";

interface Moments {
  mean: number;
  /** 1 / sqrt(variance + eps) */
  r: number;
}

function moments(x: ArrayLike<number>, eps: number): Moments {
  const values = Array.from(x);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return { mean, r: 1 / Math.sqrt(variance + eps) };
}

/** The definition for one row; no `bias`, none is added. */
export function layernormRow(
  x: ArrayLike<number>,
  weight: ArrayLike<number>,
  bias: ArrayLike<number> | undefined,
  eps: number,
): number[] {
  const { mean, r } = moments(x, eps);
  return Array.from(x, (value, k) => (value - mean) * r * weight[k]! + (bias ? bias[k]! : 0));
}

/**
 * The most that each element of the row may be off. With u the rounding unit and n = ceil(K / 16) + 4
 * additions on an element's way:
 *
 * - the mean by d = (n + 1) u times the mean magnitude (sum and division);
 * - x - mean by d, and u of itself;
 * - the sum of squares by K d^2, being taken about a mean off by d, and by (n + 3) u of itself (two roundings
 *   of the difference, its square, additions); the division and eps 2 u more. Halved by the root; then root,
 *   reciprocal 2 u;
 * - two products and the addition of bias, u each of what they make; a subnormal's rounding.
 */
export function layernormBounds(
  x: ArrayLike<number>,
  weight: ArrayLike<number>,
  bias: ArrayLike<number> | undefined,
  eps: number,
): number[] {
  const { mean, r } = moments(x, eps);
  const K = x.length;
  const n = Math.ceil(K / 16) + 4;
  const meanError = (n + 1) * F32_EPSILON * (Array.from(x).reduce((sum, value) => sum + Math.abs(value), 0) / K);
  // Second-order terms: a hundredth of all.
  const relative = 1.01 * (((n + 5) / 2 + 5) * F32_EPSILON + Math.min(1, (meanError * r) ** 2 / 2));
  return Array.from(x, (value, k) => {
    const scale = Math.abs(weight[k]!) * r;
    const product = scale * (Math.abs(value - mean) * relative + 1.01 * meanError);
    const y = (value - mean) * r * weight[k]! + (bias ? bias[k]! : 0);
    return product + F32_EPSILON * (Math.abs(y) + product) + 2 ** -149 * (1 + Math.abs(weight[k]!));
  });
}
