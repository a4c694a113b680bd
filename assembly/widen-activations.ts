/**
 * Widening of activations: int8 rows to int16, in the order in which 16-bit masks split a packed vector of weights.
 *
 *   q   i8[R, K]             rows follow one another
 *   a   i16[K/4, R, 4]       for each 4 consecutive k, the rows of a tile follow one another
 *
 *   of four k     0 1 2 3  ->  0 2 1 3
 *
 * A 32-bit lane of packed weights holds k 0..3 of a channel in its bytes 0..3. A mask or shift by 16-bit lanes leaves k 0 and 2, or 1 and 3,
 * side by side; in this order the activations that meet them are also side by side, and one 32-bit splat loads a pair.
 * Rows are interleaved so that a tile advances one pointer, not one for each row.
 *
 * Preconditions: K % 16 == 0. Reads and writes nothing outside the shapes.
 */

import { MR } from "./gemm-tile";

/** One row of a tile of R rows: `a` points at its first four elements. */
@inline
export function widenRow(q: usize, a: usize, K: i32, R: i32): void {
  const step = (<usize>R) << 3;
  for (const end = q + <usize>K; q < end; q += 16, a += step << 2) {
    const ordered = i8x16.shuffle(v128.load(q), v128.load(q), 0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15);
    const low = i16x8.extend_low_i8x16_s(ordered);
    const high = i16x8.extend_high_i8x16_s(ordered);
    v128.store64_lane(a, low, 0);
    v128.store64_lane(a + step, low, 1);
    v128.store64_lane(a + step * 2, high, 0);
    v128.store64_lane(a + step * 3, high, 1);
  }
}

/** A block of rows: whole tiles of MR rows, then one of the rows left; a tile starts where its first row would without widening order. */
@inline
export function widenBlock(q: usize, a: usize, rows: i32, K: i32): void {
  for (let m = 0; m < rows; m++, q += K) {
    const r = m % MR;
    const R = min(MR, rows - m + r);
    widenRow(q, a + ((<usize>(m - r) * <usize>K) << 1) + ((<usize>r) << 3), K, R);
  }
}
