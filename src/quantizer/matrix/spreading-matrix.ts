/**
 * Orthogonal matrices that spread what each channel has evenly over many: Walsh-Hadamard matrices, and their
 * products with a small random one where a size is no power of two.
 */

/** Sizes above this have no dense factor: it would cost more than it spreads. */
const MOST_ODD = 512;

/** The largest power of two that divides n. */
export function largestPowerOfTwo(n: number): number {
  return n & -n;
}

/**
 * v becomes H v / sqrt(size) in each block of `size`, a power of two, of f64[n]: butterflies of elements
 * 1, 2, 4, ... apart, as the kernel's (`assembly/elementwise/hadamard.ts`).
 */
export function turnByHadamard(v: Float64Array, size: number): void {
  const scale = 1 / Math.sqrt(size);
  for (let i = 0; i < v.length; i++) v[i]! *= scale;
  for (let apart = 1; apart < size; apart *= 2) {
    for (let i = 0; i < v.length; i++) {
      if ((i & apart) !== 0) continue;
      const [a, b] = [v[i]!, v[i + apart]!];
      v[i] = a + b;
      v[i + apart] = a - b;
    }
  }
}

/**
 * Q (x) H: Hadamard blocks of the largest power of two that divides n, mixed with each other by an orthogonal
 * Q of n / 2^m rows. A Hadamard matrix where n is a power of two.
 *
 * @returns f64[n, n]
 */
export function spreadingMatrix(n: number): Float64Array {
  const size = largestPowerOfTwo(n);
  const across = acrossBlocks(n / size);
  const matrix = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    const row = matrix.subarray(i * n, (i + 1) * n);
    const block = Math.floor(i / size);
    for (let b = 0; b < n / size; b++) row[b * size + (i % size)] = across[(block * n) / size + b]!;
    turnByHadamard(row, size);
  }
  return matrix;
}

/** An orthogonal f64[r, r] without small and large elements: signs from a sequence, made orthogonal. */
export function acrossBlocks(r: number): Float64Array {
  const Q = new Float64Array(r * r);
  if (r > MOST_ODD) {
    for (let i = 0; i < r; i++) Q[i * r + i] = 1;
    return Q;
  }
  let state = 1;
  const draw = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >= 2 ** 31 ? 1 : -1;
  };
  for (let i = 0; i < r; i++) {
    const row = Q.subarray(i * r, (i + 1) * r);
    let norm = 0;
    // A row that depends on those before is drawn again; twice orthogonal is as good as it gets.
    while (!(norm > 0.1 * Math.sqrt(r))) {
      for (let k = 0; k < r; k++) row[k] = draw();
      for (let pass = 0; pass < 2; pass++) {
        for (let j = 0; j < i; j++) {
          let overlap = 0;
          for (let k = 0; k < r; k++) overlap += row[k]! * Q[j * r + k]!;
          for (let k = 0; k < r; k++) row[k]! -= overlap * Q[j * r + k]!;
        }
      }
      norm = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0));
    }
    for (let k = 0; k < r; k++) row[k]! /= norm;
  }
  return Q;
}
