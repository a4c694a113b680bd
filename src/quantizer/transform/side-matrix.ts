/**
 * Matrices on one side of a weight W[N, K]: on each vector along that side, a column of N or a row of K
 * elements, v becomes v M, block by block. Computed in double precision, rounded to floats once.
 */
import { acrossBlocks, largestPowerOfTwo, turnByHadamard } from "../matrix/spreading-matrix.ts";

/** `count` blocks of `size` elements, one after another from `first` on. */
export interface SideMatrix {
  readonly first: number;
  readonly size: number;
  readonly count: number;
  /** Replaces v, f64[size], by v M of a block. */
  apply(block: number, v: Float64Array): void;
}

/** A matrix of its own for each block: f64[size, size], row-major. */
export function denseBlocks(first: number, size: number, matrices: readonly Float64Array[]): SideMatrix {
  const result = new Float64Array(size);
  return {
    first,
    size,
    count: matrices.length,
    apply(block, v) {
      const M = matrices[block]!;
      result.fill(0);
      for (let i = 0; i < size; i++) {
        const value = v[i]!;
        if (value === 0) continue;
        for (let j = 0; j < size; j++) result[j]! += value * M[i * size + j]!;
      }
      v.set(result);
    },
  };
}

/**
 * Hadamard blocks over a whole side of `length` elements; symmetric and orthogonal.
 *
 * @param size a power of two
 */
export function hadamardBlocks(length: number, size: number): SideMatrix {
  return { first: 0, size, count: length / size, apply: (_, v) => turnByHadamard(v, size) };
}

/** `spreadingMatrix` of a whole side, without its n^2 elements. */
export function spreading(n: number): SideMatrix {
  const size = largestPowerOfTwo(n);
  const r = n / size;
  const mix = denseBlocks(0, r, [acrossBlocks(r)]);
  const across = new Float64Array(r);
  return {
    first: 0,
    size: n,
    count: 1,
    apply(_, v) {
      if (r > 1) {
        for (let i = 0; i < size; i++) {
          for (let b = 0; b < r; b++) across[b] = v[b * size + i]!;
          mix.apply(0, across);
          for (let b = 0; b < r; b++) v[b * size + i] = across[b]!;
        }
      }
      turnByHadamard(v, size);
    },
  };
}

/** Factors as a matrix, for where they come behind one. */
export function scaling(factors: Float32Array): SideMatrix {
  return { first: 0, size: 1, count: factors.length, apply: (block, v) => void (v[0]! *= factors[block]!) };
}

/** The rows [begin, end) with all that share a block with them. */
export function withWholeBlocks({ first, size, count }: SideMatrix, [begin, end]: readonly [number, number]): [number, number] {
  const last = first + size * count;
  if (end <= first || begin >= last) return [begin, end];
  const down = (row: number) => first + Math.floor((row - first) / size) * size;
  return [begin < first ? begin : down(begin), end > last ? end : down(end + size - 1)];
}

/** To the columns of rows f32[rows, K], in place. */
export function applyToColumns(values: Float32Array, matrix: SideMatrix, K: number): void {
  const { first, size, count } = matrix;
  const v = new Float64Array(size);
  for (let row = first; row < values.length; row += K) {
    for (let block = 0; block < count; block++) {
      const part = values.subarray(row + block * size, row + (block + 1) * size);
      v.set(part);
      matrix.apply(block, v);
      part.set(v);
    }
  }
}

/**
 * To the rows of f32[rows, K], in place: those of blocks that are all there.
 *
 * @param firstRow row of the first
 */
export function applyToRows(values: Float32Array, matrix: SideMatrix, K: number, firstRow: number): void {
  const { first, size, count } = matrix;
  const v = new Float64Array(size);
  for (let block = 0; block < count; block++) {
    const at = (first + block * size - firstRow) * K;
    if (at < 0 || at + size * K > values.length) continue;
    for (let k = at; k < at + K; k++) {
      for (let i = 0; i < size; i++) v[i] = values[k + i * K]!;
      matrix.apply(block, v);
      for (let i = 0; i < size; i++) values[k + i * K] = v[i]!;
    }
  }
}
