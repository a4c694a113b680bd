/**
 * The integer tile of attention: up to four rows of 14-bit operands by eight lanes of an int8 cache.
 *
 *   out[r, lane] = start + f32(sum over i < 4n of rows[r, i] * data[lane, i]) * factors[r]
 *
 *   data         i8[n][8 lanes][4], elements of four in the order 0, 2, 1, 3 (layout-kv.ts)
 *   rows         simd128 i16[n][4 rows][4]; relaxed u8[n][4 rows][2 planes][4], in the order of the data: the
 *                same 32 bytes a step
 *   out          f32, row r at r * rowBytes
 *   R            1..4 rows, a literal: the others cost nothing
 *   accumulate   a literal: start is what `out` holds, else 0
 *   offset       a literal: rows are -8191..8191 (a query); else 0..16383 (probabilities)
 *
 * The sum is exact as long as it fits i32, whatever the instruction; only what `factors` multiplies is
 * rounded.
 *
 * simd128: two shifts widen the low bytes, one the high ones, and those three instructions per 16 bytes are
 * shared by all rows. relaxed: the cache is the signed operand as it lies, the rows two planes in 0..127:
 * high 7 bits, low 7 bits, dot = 128 * high + low. One plane after the other, so that the accumulators are
 * those of one; the second time the data come from the first-level cache. A query's planes are those of row +
 * 8192, and 64 * sum(data) is taken back from the high one: a product shared by all rows.
 *
 * 4 x 8: eight accumulators, the data of one step and a broadcast stay within 15 registers, and each loaded
 * byte serves four rows.
 */
import { store8 } from "./attention-tile";

/**
 * Eight operands, i16, of one row: elements 0..3 to `rows`, 4..7 one step of n further. `offset` as above.
 */
@inline
export function storeOperands(rows: usize, eight: v128, offset: bool): void {
  if (ASC_FEATURE_RELAXED_SIMD) {
    const high = i16x8.shr_u(offset ? i16x8.add(eight, i16x8.splat(8192)) : eight, 7);
    const low = v128.and(eight, i16x8.splat(127));
    eight = i8x16.shuffle(high, low, 0, 4, 2, 6, 16, 20, 18, 22, 8, 12, 10, 14, 24, 28, 26, 30);
  }
  v128.store64_lane(rows, eight, 0);
  v128.store64_lane(rows, eight, 1, 32);
}


@inline
export function tileQs8(
  R: i32,
  rows: usize,
  data: usize,
  n: i32,
  factors: usize,
  out: usize,
  rowBytes: usize,
  accumulate: bool,
  offset: bool,
): void {
  if (ASC_FEATURE_RELAXED_SIMD) tileRelaxed(R, rows, data, n, factors, out, rowBytes, accumulate, offset);
  else tileSimd128(R, rows, data, n, factors, out, rowBytes, accumulate);
}


@inline
function tileRelaxed(
  R: i32,
  rows: usize,
  data: usize,
  n: i32,
  factors: usize,
  out: usize,
  rowBytes: usize,
  accumulate: bool,
  offset: bool,
): void {
  let a0 = i32x4.splat(0),
    b0 = a0,
    a1 = a0,
    b1 = a0,
    a2 = a0,
    b2 = a0,
    a3 = a0,
    b3 = a0;
  let sumA = a0,
    sumB = a0;
  const end = data + ((<usize>n) << 5);
  for (let at = data, row = rows; at < end; at += 32, row += 32) {
    const a = v128.load(at),
      b = v128.load(at, 16);
    if (offset) {
      sumA = product(sumA, a, i8x16.splat(64));
      sumB = product(sumB, b, i8x16.splat(64));
    }
    let u = v128.load32_splat(row);
    a0 = product(a0, a, u);
    b0 = product(b0, b, u);
    if (R > 1) {
      u = v128.load32_splat(row, 8);
      a1 = product(a1, a, u);
      b1 = product(b1, b, u);
    }
    if (R > 2) {
      u = v128.load32_splat(row, 16);
      a2 = product(a2, a, u);
      b2 = product(b2, b, u);
    }
    if (R > 3) {
      u = v128.load32_splat(row, 24);
      a3 = product(a3, a, u);
      b3 = product(b3, b, u);
    }
  }
  a0 = i32x4.shl(i32x4.sub(a0, sumA), 7);
  b0 = i32x4.shl(i32x4.sub(b0, sumB), 7);
  if (R > 1) a1 = i32x4.shl(i32x4.sub(a1, sumA), 7);
  if (R > 1) b1 = i32x4.shl(i32x4.sub(b1, sumB), 7);
  if (R > 2) a2 = i32x4.shl(i32x4.sub(a2, sumA), 7);
  if (R > 2) b2 = i32x4.shl(i32x4.sub(b2, sumB), 7);
  if (R > 3) a3 = i32x4.shl(i32x4.sub(a3, sumA), 7);
  if (R > 3) b3 = i32x4.shl(i32x4.sub(b3, sumB), 7);
  for (let at = data, row = rows + 4; at < end; at += 32, row += 32) {
    const a = v128.load(at),
      b = v128.load(at, 16);
    let u = v128.load32_splat(row);
    a0 = product(a0, a, u);
    b0 = product(b0, b, u);
    if (R > 1) {
      u = v128.load32_splat(row, 8);
      a1 = product(a1, a, u);
      b1 = product(b1, b, u);
    }
    if (R > 2) {
      u = v128.load32_splat(row, 16);
      a2 = product(a2, a, u);
      b2 = product(b2, b, u);
    }
    if (R > 3) {
      u = v128.load32_splat(row, 24);
      a3 = product(a3, a, u);
      b3 = product(b3, b, u);
    }
  }
  scale8(out, a0, b0, v128.load32_splat(factors), accumulate);
  if (R > 1) scale8(out + rowBytes, a1, b1, v128.load32_splat(factors, 4), accumulate);
  if (R > 2) scale8(out + 2 * rowBytes, a2, b2, v128.load32_splat(factors, 8), accumulate);
  if (R > 3) scale8(out + 3 * rowBytes, a3, b3, v128.load32_splat(factors, 12), accumulate);
}

/** The second operand is in 0..127: only then do all engines agree. */
@inline
function product(sum: v128, data: v128, rows: v128): v128 {
  return i32x4.relaxed_dot_i8x16_i7x16_add_s(data, rows, sum);
}


@inline
function tileSimd128(
  R: i32,
  rows: usize,
  data: usize,
  n: i32,
  factors: usize,
  out: usize,
  rowBytes: usize,
  accumulate: bool,
): void {
  let a0 = i32x4.splat(0),
    b0 = a0,
    a1 = a0,
    b1 = a0,
    a2 = a0,
    b2 = a0,
    a3 = a0,
    b3 = a0;
  for (const end = data + ((<usize>n) << 5); data < end; data += 32, rows += 32) {
    const a = v128.load(data),
      b = v128.load(data, 16);
    const aLow = i16x8.shr_s(i16x8.shl(a, 8), 8),
      aHigh = i16x8.shr_s(a, 8);
    const bLow = i16x8.shr_s(i16x8.shl(b, 8), 8),
      bHigh = i16x8.shr_s(b, 8);
    let low = v128.load32_splat(rows),
      high = v128.load32_splat(rows, 4);
    a0 = dot(dot(a0, aLow, low), aHigh, high);
    b0 = dot(dot(b0, bLow, low), bHigh, high);
    if (R > 1) {
      low = v128.load32_splat(rows, 8);
      high = v128.load32_splat(rows, 12);
      a1 = dot(dot(a1, aLow, low), aHigh, high);
      b1 = dot(dot(b1, bLow, low), bHigh, high);
    }
    if (R > 2) {
      low = v128.load32_splat(rows, 16);
      high = v128.load32_splat(rows, 20);
      a2 = dot(dot(a2, aLow, low), aHigh, high);
      b2 = dot(dot(b2, bLow, low), bHigh, high);
    }
    if (R > 3) {
      low = v128.load32_splat(rows, 24);
      high = v128.load32_splat(rows, 28);
      a3 = dot(dot(a3, aLow, low), aHigh, high);
      b3 = dot(dot(b3, bLow, low), bHigh, high);
    }
  }
  scale8(out, a0, b0, v128.load32_splat(factors), accumulate);
  if (R > 1) scale8(out + rowBytes, a1, b1, v128.load32_splat(factors, 4), accumulate);
  if (R > 2) scale8(out + 2 * rowBytes, a2, b2, v128.load32_splat(factors, 8), accumulate);
  if (R > 3) scale8(out + 3 * rowBytes, a3, b3, v128.load32_splat(factors, 12), accumulate);
}


@inline
function dot(sum: v128, a: v128, b: v128): v128 {
  return i32x4.add(sum, i32x4.dot_i16x8_s(a, b));
}


@inline
function scale8(out: usize, a: v128, b: v128, factor: v128, accumulate: bool): void {
  let low = f32x4.mul(f32x4.convert_i32x4_s(a), factor);
  let high = f32x4.mul(f32x4.convert_i32x4_s(b), factor);
  if (accumulate) {
    low = f32x4.add(v128.load(out), low);
    high = f32x4.add(v128.load(out, 16), high);
  }
  store8(out, low, high);
}
