/**
 * Widening of activations: int8 rows to int16, in the order in which 16-bit masks split a packed vector of weights.
 *
 *   q   i8[R, K]             rows follow one another
 *   a   i16[K/2, R, 2]       pair by pair, the rows of a tile follow one another
 *
 *   pairs of k   0 2 | 1 3 | 4 6 | 5 7 | ...
 *
 * A 32-bit lane of packed weights holds k 0..3 of a channel in its bytes 0..3. A mask or shift by 16-bit lanes leaves k 0 and 2, or 1 and 3,
 * side by side. The activations that meet them are side by side too, so that one 32-bit splat loads a pair.
 * Rows are interleaved so that a tile advances one pointer, not one for each row.
 *
 * Preconditions: K % 16 == 0. Reads and writes nothing outside the shapes.
 */

import { MR } from "./layout";

/** One row of a tile of R rows: `a` points at its first pair. */
@inline
export function widenRow(q: usize, a: usize, K: i32, R: i32): void {
  const step = (<usize>R) << 2;
  for (const end = q + <usize>K; q < end; q += 16, a += step << 3) {
    const row = v128.load(q);
    const ordered = i8x16.shuffle(row, row, 0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15);
    const low = i16x8.extend_low_i8x16_s(ordered);
    const high = i16x8.extend_high_i8x16_s(ordered);
    v128.store32_lane(a, low, 0);
    v128.store32_lane(a + step, low, 1);
    v128.store32_lane(a + step * 2, low, 2);
    v128.store32_lane(a + step * 3, low, 3);
    v128.store32_lane(a + step * 4, high, 0);
    v128.store32_lane(a + step * 5, high, 1);
    v128.store32_lane(a + step * 6, high, 2);
    v128.store32_lane(a + step * 7, high, 3);
  }
}

/** A block of rows: whole tiles of MR rows, then one of the rows left. A tile takes as many bytes as its rows, so tiles follow one another. */
@inline
export function widenBlock(q: usize, a: usize, rows: i32, K: i32): void {
  for (let m = 0; m < rows; m++, q += K) {
    const r = m % MR;
    const R = min(MR, rows - m + r);
    widenRow(q, a + ((<usize>(m - r) * <usize>K) << 1) + ((<usize>r) << 2), K, R);
  }
}
