/**
 * Square matrices in double precision, row-major f64[n, n]. Only operations that IEEE 754 fixes, so that one
 * input gives the same bits on every engine.
 */
import { NumericError } from "../../errors.ts";

/** Beyond this a matrix and its inverse, rounded to floats, no longer undo each other well enough. */
export const MOST_CONDITION = 1e6;
/** The most that any element of T T^-1 may differ from the identity. */
const MOST_RESIDUE = 1e-9;

export function identity(n: number): Float64Array {
  return diagonal(new Float64Array(n).fill(1));
}

export function diagonal(values: ArrayLike<number>): Float64Array {
  const n = values.length;
  const matrix = new Float64Array(n * n);
  for (let i = 0; i < n; i++) matrix[i * n + i] = values[i]!;
  return matrix;
}

export function transpose(A: Float64Array, n: number): Float64Array {
  return Float64Array.from({ length: n * n }, (_, at) => A[(at % n) * n + Math.floor(at / n)]!);
}

/** A B. */
export function product(A: Float64Array, B: Float64Array, n: number): Float64Array {
  const C = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < n; k++) {
      const a = A[i * n + k]!;
      if (a === 0) continue;
      for (let j = 0; j < n; j++) C[i * n + j]! += a * B[k * n + j]!;
    }
  }
  return C;
}

/** A with row i times factors[i]. */
export function scaleRows(A: Float64Array, factors: ArrayLike<number>): Float64Array {
  const n = factors.length;
  return A.map((value, at) => value * factors[Math.floor(at / n)]!);
}

/**
 * The inverse by Gauss-Jordan elimination with the largest pivots; undefined where one is 0 or not finite.
 */
export function eliminated(A: Float64Array, n: number): Float64Array | undefined {
  const left = A.slice();
  const right = identity(n);
  for (let column = 0; column < n; column++) {
    let pivot = column;
    for (let row = column + 1; row < n; row++) {
      if (Math.abs(left[row * n + column]!) > Math.abs(left[pivot * n + column]!)) pivot = row;
    }
    const value = left[pivot * n + column]!;
    if (!(Math.abs(value) > 0 && Math.abs(value) < Infinity)) return undefined;
    for (const matrix of [left, right]) {
      for (let k = 0; k < n; k++) {
        const kept = matrix[pivot * n + k]! / value;
        matrix[pivot * n + k] = matrix[column * n + k]!;
        matrix[column * n + k] = kept;
      }
    }
    for (let row = 0; row < n; row++) {
      const factor = left[row * n + column]!;
      if (row === column || factor === 0) continue;
      for (const matrix of [left, right]) {
        for (let k = 0; k < n; k++) matrix[row * n + k]! -= factor * matrix[column * n + k]!;
      }
    }
  }
  return right;
}

/** The largest sum of magnitudes of a column. */
function norm1(A: Float64Array, n: number): number {
  const sums = new Float64Array(n);
  for (const [at, value] of A.entries()) sums[at % n]! += Math.abs(value);
  return sums.reduce((most, sum) => Math.max(most, sum), 0);
}

/**
 * @param what for the message: layer and transform
 * @throws NumericError for a matrix that is singular, or whose condition (in the 1-norm) is above
 *   `MOST_CONDITION`
 */
export function invert(A: Float64Array, n: number, what: string): Float64Array {
  const need = `need one of condition ${MOST_CONDITION} at most`;
  const inverse = eliminated(A, n);
  if (!inverse) throw new NumericError(`${what}: got a singular matrix, ${need}`);
  const condition = norm1(A, n) * norm1(inverse, n);
  if (!(condition <= MOST_CONDITION)) {
    throw new NumericError(`${what}: got a matrix of condition ${condition.toExponential(2)}, ${need}`);
  }
  const residue = product(A, inverse, n).reduce((most, value, at) => {
    return Math.max(most, Math.abs(value - (at % (n + 1) === 0 ? 1 : 0)));
  }, 0);
  if (residue < MOST_RESIDUE) return inverse;
  throw new NumericError(`${what}: got an inverse that is ${residue.toExponential(2)} off, need less than ${MOST_RESIDUE}`);
}

/**
 * Eigenvalues f64[n] and eigenvectors, the columns of f64[n, n], of a symmetric matrix: cyclic Jacobi
 * rotations.
 */
export function symmetricEigen(matrix: Float64Array, n: number): { values: Float64Array; vectors: Float64Array } {
  const S = matrix.slice();
  const vectors = identity(n);
  const rotate = (M: Float64Array, i: number, j: number, cosine: number, sine: number) => {
    const [x, y] = [M[i]!, M[j]!];
    M[i] = cosine * x - sine * y;
    M[j] = sine * x + cosine * y;
  };
  for (let sweep = 0; sweep < 60; sweep++) {
    let rotated = false;
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) {
        const [off, pp, qq] = [S[p * n + q]!, S[p * n + p]!, S[q * n + q]!];
        if (Math.abs(off) <= 1e-15 * Math.sqrt(Math.abs(pp * qq))) continue;
        rotated = true;
        const theta = (qq - pp) / (2 * off);
        const tangent = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
        const cosine = 1 / Math.sqrt(tangent * tangent + 1);
        for (let k = 0; k < n; k++) rotate(S, k * n + p, k * n + q, cosine, tangent * cosine);
        for (let k = 0; k < n; k++) rotate(S, p * n + k, q * n + k, cosine, tangent * cosine);
        for (let k = 0; k < n; k++) rotate(vectors, k * n + p, k * n + q, cosine, tangent * cosine);
      }
    }
    if (!rotated) break;
  }
  return { values: Float64Array.from({ length: n }, (_, p) => S[p * n + p]!), vectors };
}

/** V diag(change(eigenvalue)) V^T of a symmetric matrix V diag V^T. */
export function changeEigenvalues(A: Float64Array, n: number, change: (value: number) => number): Float64Array {
  const { values, vectors } = symmetricEigen(A, n);
  return product(vectors, scaleRows(transpose(vectors, n), values.map(change)), n);
}
