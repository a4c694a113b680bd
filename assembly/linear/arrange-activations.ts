/**
 * Activations in the order in which a tile of R rows reads them: operand by operand, the rows of a tile side
 * by side, so that a tile advances one pointer. An operand is the 32 bits that meet one vector of weights,
 * splat to all lanes.
 *
 *   q         i8[R, K], qd14 i16[R, K]  rows follow one another
 *
 *   relaxed   qd8 with qb4w             i8[K/4, R, 4]: operands k 0..3 | 4..7 | ...
 *             with qc8w, two planes     u8[2, K/4, R, 4]: (q + 8192) >> 7, then q & 127
 *             with qb8w, two planes     u8[2, K/4, R, 4]: 1 for q < 0, else 0, then q & 127
 *   simd128   i16[K/2, R, 2]            operands k 0 2 | 1 3 | 4 6 | 5 7 | ...
 *
 * simd128: a 32-bit lane of packed weights holds k 0..3 of a channel in its bytes 0..3. A mask or shift by
 * 16-bit lanes leaves k 0 and 2, or 1 and 3, side by side, and so must be the activations that meet them.
 * relaxed: the dot product wants one operand in 0..127. With 4-bit weights these are the weights; 8-bit
 * weights stay signed, and two planes of activations hold 14 bits as well as 8: q = 128 * (high - 64) + low.
 * The 64 is taken back by the panel's offsets (layout.ts). Groups of qb8w have no room for offsets, and 8
 * bits no need of them: q = low - 128 * sign.
 *
 * Preconditions: K % 16 == 0. Reads and writes nothing outside the shapes.
 */

import { tileRows } from "../layouts/layout";

/**
 * What is multiplied: activations of 8 bits with weights of 4 or 8, of 14 bits with weights of 8, of 8 bits
 * with weights of 8 in groups. Literals at each call.
 */
export const QD8_QB4W: i32 = 0;
export const QD8_QC8W: i32 = 1;
export const QD14_QC8W: i32 = 2;
export const QD8_QB8W: i32 = 3;

/** One row of a tile of R rows: `a` points at its first operand. */
@inline
export function arrangeRow(q: usize, a: usize, K: i32, R: i32, operands: i32): void {
  if (ASC_FEATURE_RELAXED_SIMD) {
    if (operands == QD14_QC8W) splitRow14(q, a, K, R);
    else if (operands == QD8_QC8W) splitRow(q, a, K, R, false);
    else if (operands == QD8_QB8W) splitRow(q, a, K, R, true);
    else interleaveRow(q, a, K, R);
  } else if (operands == QD14_QC8W) orderRow14(q, a, K, R);
  else widenRow(q, a, K, R);
}

/** A block of rows, tile by tile (tileRows in layout.ts). */
@inline
export function arrangeBlock(q: usize, a: usize, rows: i32, K: i32, operands: i32): void {
  const sourceBytes = (<usize>K) << usize(operands == QD14_QC8W);
  const rowBytes = (<usize>K) << usize(!ASC_FEATURE_RELAXED_SIMD || operands != QD8_QB4W);
  while (rows > 0) {
    const R = tileRows(rows);
    for (let r: usize = 0; r < <usize>R; r++) arrangeRow(q + r * sourceBytes, a + (r << 2), K, R, operands);
    q += <usize>R * sourceBytes;
    a += <usize>R * rowBytes;
    rows -= R;
  }
}


@inline
export function interleaveRow(q: usize, a: usize, K: i32, R: i32): void {
  const step = (<usize>R) << 2;
  for (const end = q + <usize>K; q < end; q += 16, a += step << 2) {
    storeLanes(a, step, v128.load(q));
  }
}


@inline
function splitRow(q: usize, a: usize, K: i32, R: i32, signs: bool): void {
  const step = (<usize>R) << 2;
  const plane = <usize>K * R;
  for (const end = q + <usize>K; q < end; q += 16, a += step << 2) {
    const row = v128.load(q);
    const sign = i8x16.shr_u(row, 7);
    storeLanes(a, step, signs ? sign : i8x16.sub(i8x16.splat(64), sign));
    storeLanes(a + plane, step, v128.and(row, i8x16.splat(127)));
  }
}


@inline
function splitRow14(q: usize, a: usize, K: i32, R: i32): void {
  const step = (<usize>R) << 2;
  const plane = <usize>K * R;
  for (const end = q + ((<usize>K) << 1); q < end; q += 32, a += step << 2) {
    const first = v128.load(q);
    const second = v128.load(q, 16);
    storeLanes(a, step, i8x16.narrow_i16x8_s(highBits(first), highBits(second)));
    const low = i16x8.splat(127);
    storeLanes(a + plane, step, i8x16.narrow_i16x8_s(v128.and(first, low), v128.and(second, low)));
  }
}


@inline
function highBits(row: v128): v128 {
  return i16x8.shr_u(i16x8.add(row, i16x8.splat(8192)), 7);
}


@inline
function orderRow14(q: usize, a: usize, K: i32, R: i32): void {
  const step = (<usize>R) << 2;
  for (const end = q + ((<usize>K) << 1); q < end; q += 16, a += step << 2) {
    const row = v128.load(q);
    storeLanes(a, step, i16x8.shuffle(row, row, 0, 2, 1, 3, 4, 6, 5, 7));
  }
}


@inline
function widenRow(q: usize, a: usize, K: i32, R: i32): void {
  const step = (<usize>R) << 2;
  for (const end = q + <usize>K; q < end; q += 16, a += step << 3) {
    const row = v128.load(q);
    const ordered = i8x16.shuffle(row, row, 0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15);
    storeLanes(a, step, i16x8.extend_low_i8x16_s(ordered));
    storeLanes(a + (step << 2), step, i16x8.extend_high_i8x16_s(ordered));
  }
}


@inline
function storeLanes(a: usize, step: usize, v: v128): void {
  v128.store32_lane(a, v, 0);
  v128.store32_lane(a + step, v, 1);
  v128.store32_lane(a + step * 2, v, 2);
  v128.store32_lane(a + step * 3, v, 3);
}
