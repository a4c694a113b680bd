/**
 * LoRC, low-rank compensation (ZeroQuant-V2, section 6; ZeroQuant-FP, section 3): what rounding did to a
 * weight, E = W - Q(W), is kept approximately as the product of two thin matrices,
 *
 *   E ~ B A,   B = U sqrt(S) f[N, R],   A = sqrt(S) V^T f[R, K]
 *   U S V^T the largest R singular values of E and their vectors
 *
 * which no other rank-R product beats in squared error. Found by subspace iteration in f64: a block of P = R
 * + 8 directions is multiplied by E and E^T in turn and made orthogonal, then the singular values within it
 * are those of a P x P matrix. Errors of rounding have slowly falling singular values, so that vectors near
 * the R-th are mixed, at next to no loss of what they hold together.
 */
import { symmetricEigen } from "../matrix/square-matrix.ts";

export interface LowRankFactors {
  readonly a: Float32Array; // f32[R, K]
  readonly b: Float32Array; // f32[N, R]
}

const OVERSAMPLING = 8;
const ITERATIONS = 4;

/**
 * @param error f32[N, K]
 * @param R from 1 to min(N, K)
 */
export function lowRankFactors(error: Float32Array, N: number, K: number, R: number): LowRankFactors {
  const P = Math.min(R + OVERSAMPLING, N, K);
  const left = new Float64Array(N * P); // Y f64[N, P]
  const right = startDirections(K, P); // X f64[K, P]
  for (let i = 0; i < ITERATIONS; i++) {
    multiply(error, right, left, P);
    orthonormalize(left, N, P);
    multiplyTransposed(error, left, right, P);
    if (i < ITERATIONS - 1) orthonormalize(right, K, P);
  }
  // E ~ Y X^T with Y orthonormal. X^T X = C L C^T, so the singular values are sqrt(L), U = Y C, V = X C /
  // sqrt(L).
  const { values, vectors } = symmetricEigen(gram(right, K, P), P);
  const largest = Array.from(values.keys())
    .toSorted((i, j) => values[j]! - values[i]!)
    .slice(0, R);
  const [a, b] = [new Float32Array(R * K), new Float32Array(N * R)];
  for (const [r, column] of largest.entries()) {
    const root = Math.max(0, values[column]!) ** 0.25; // sqrt of the singular value
    const component = (matrix: Float64Array, row: number) => {
      let sum = 0;
      for (let p = 0; p < P; p++) sum += matrix[row * P + p]! * vectors[p * P + column]!;
      return sum;
    };
    for (let k = 0; k < K; k++) a[r * K + k] = root > 0 ? component(right, k) / root : 0;
    for (let n = 0; n < N; n++) b[n * R + r] = component(left, n) * root;
  }
  return { a, b };
}

/** Sum of squares of E - B A. */
export function residualEnergy(error: Float32Array, { a, b }: LowRankFactors, N: number, K: number): number {
  const R = a.length / K;
  let energy = 0;
  const row = new Float64Array(K);
  for (let n = 0; n < N; n++) {
    for (let k = 0; k < K; k++) row[k] = error[n * K + k]!;
    for (let r = 0; r < R; r++) {
      const factor = b[n * R + r]!;
      for (let k = 0; k < K; k++) row[k]! -= factor * a[r * K + k]!;
    }
    for (let k = 0; k < K; k++) energy += row[k]! ** 2;
  }
  return energy;
}

/**
 * f64[K, P] that no error is orthogonal to but by accident, the same every time: a linear congruential
 * sequence.
 */
function startDirections(K: number, P: number): Float64Array {
  let state = 1;
  return Float64Array.from({ length: K * P }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32 - 0.5;
  });
}

/** Y = E X: f32[N, K] times f64[K, P]. */
function multiply(E: Float32Array, X: Float64Array, Y: Float64Array, P: number): void {
  const [N, K] = [Y.length / P, X.length / P];
  Y.fill(0);
  for (let n = 0; n < N; n++) {
    for (let k = 0; k < K; k++) {
      const e = E[n * K + k]!;
      for (let p = 0; p < P; p++) Y[n * P + p]! += e * X[k * P + p]!;
    }
  }
}

/** X = E^T Y. */
function multiplyTransposed(E: Float32Array, Y: Float64Array, X: Float64Array, P: number): void {
  const [N, K] = [Y.length / P, X.length / P];
  X.fill(0);
  for (let n = 0; n < N; n++) {
    for (let k = 0; k < K; k++) {
      const e = E[n * K + k]!;
      for (let p = 0; p < P; p++) X[k * P + p]! += e * Y[n * P + p]!;
    }
  }
}

/**
 * Columns of f64[rows, P] by Gram-Schmidt, twice, which is as good as Householder's; one that depends on
 * others becomes 0.
 */
function orthonormalize(matrix: Float64Array, rows: number, P: number): void {
  const dot = (p: number, q: number) => {
    let sum = 0;
    for (let i = 0; i < rows; i++) sum += matrix[i * P + p]! * matrix[i * P + q]!;
    return sum;
  };
  for (let p = 0; p < P; p++) {
    const before = Math.sqrt(dot(p, p));
    for (let pass = 0; pass < 2; pass++) {
      for (let q = 0; q < p; q++) {
        const overlap = dot(p, q);
        for (let i = 0; i < rows; i++) matrix[i * P + p]! -= overlap * matrix[i * P + q]!;
      }
    }
    const norm = Math.sqrt(dot(p, p));
    const scale = norm > 1e-12 * before ? 1 / norm : 0;
    for (let i = 0; i < rows; i++) matrix[i * P + p]! *= scale;
  }
}

/** X^T X, f64[P, P]. */
function gram(X: Float64Array, K: number, P: number): Float64Array {
  const result = new Float64Array(P * P);
  for (let k = 0; k < K; k++) {
    for (let p = 0; p < P; p++) for (let q = 0; q < P; q++) result[p * P + q]! += X[k * P + p]! * X[k * P + q]!;
  }
  return result;
}
