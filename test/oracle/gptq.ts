/**
 * GPTQ as its paper's Algorithm 1 reads without blocks (Frantar et al. 2022), in double precision: the
 * inverse Hessian is formed, and after each column the weights not yet rounded move and the column leaves the
 * inverse.
 */
import { nearestCode } from "./code-grid.ts";

/** Inverse of a symmetric positive definite f64[K, K] by Gauss-Jordan elimination. */
export function inverse(matrix: Float64Array, K: number): Float64Array {
  const a = matrix.slice();
  const out = new Float64Array(K * K);
  for (let i = 0; i < K; i++) out[i * K + i] = 1;
  for (let pivot = 0; pivot < K; pivot++) {
    const scale = 1 / a[pivot * K + pivot]!;
    for (const m of [a, out]) for (let j = 0; j < K; j++) m[pivot * K + j]! *= scale;
    for (let i = 0; i < K; i++) {
      const factor = a[i * K + pivot]!;
      if (i === pivot || factor === 0) continue;
      for (const m of [a, out]) for (let j = 0; j < K; j++) m[i * K + j]! -= factor * m[pivot * K + j]!;
    }
  }
  return out;
}

/**
 * @param weight one row, K
 * @param order columns in the order they are rounded
 * @param scaleOf the scale of a column, asked when it is due; `row` is the row with all updates so far
 */
export function plainGptq(
  weight: ArrayLike<number>,
  hessian: Float64Array,
  K: number,
  order: readonly number[],
  top: number,
  scaleOf: (column: number, row: Float64Array) => number,
): { codes: number[]; scales: number[] } {
  const row = Float64Array.from(weight);
  const inv = inverse(hessian, K);
  const codes = Array<number>(K).fill(0);
  const scales = Array<number>(K).fill(0);
  const left = new Set(order);
  for (const j of order) {
    const scale = scaleOf(j, row);
    const q = nearestCode(row[j]! / scale, top);
    codes[j] = q;
    scales[j] = scale;
    const pivot = inv[j * K + j]!;
    const error = (row[j]! - q * scale) / pivot;
    left.delete(j);
    const column = Float64Array.from({ length: K }, (_, i) => inv[i * K + j]!);
    for (const i of left) {
      row[i]! -= error * column[i]!;
      for (const k of left) inv[i * K + k]! -= (column[i]! * column[k]!) / pivot;
    }
  }
  return { codes, scales };
}

/** e H e^T. */
export function quadraticForm(e: ArrayLike<number>, hessian: Float64Array, K: number): number {
  let sum = 0;
  for (let i = 0; i < K; i++) for (let j = 0; j < K; j++) sum += e[i]! * hessian[i * K + j]! * e[j]!;
  return sum;
}
