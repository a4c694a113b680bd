/**
 * The two products of attention, scores = q k^T and values = p v, are the same tile over different operands: up to four rows by
 * eight lanes, summed over n.
 *
 *   f32    out[r, lane] = start + sum over i < n, ascending, of rows[i, r] * data[i, lane]          rows f32[n][4], data f32[n][8]
 *   int8   out[r, lane] = start + f32(sum over i < 4n of rows[r, i] * data[lane, i]) * factors[r]   rows i16[n][4][4], data i8[n][8][4]
 *
 *   out          f32, row r at r * rowBytes
 *   R            1..4 rows, a literal: the others cost nothing
 *   accumulate   a literal: start is what `out` holds, else 0
 *
 * f32: a rounded multiply, then a rounded add, in ascending i; so a sum may be cut anywhere and continued.
 * int8: the sum is exact as long as it fits i32, whatever the instruction; only what `factors` multiplies is rounded.
 * Elements of four bytes lie in the order 0, 2, 1, 3 (layout-kv.ts): two shifts widen the low bytes, one the high ones, and
 * those three instructions per 16 bytes are shared by all rows.
 *
 * 4 x 8: eight accumulators, the data of one step and a broadcast stay within 15 registers, and each loaded byte serves four
 * rows. Measured on one Sapphire Rapids core, Node 20, D = 64: int8 35 GMAC/s with four rows (38 vector instructions for 128
 * products leave no more on three ports), 33 with three, 19 with one; f32 20, 18 and 10.
 */
import { SUMS_OFFSET, VALUES_OFFSET } from "./layout-kv";


@inline
export function tileF32(R: i32, rows: usize, data: usize, n: i32, out: usize, rowBytes: usize, accumulate: bool): void {
  let a0 = f32x4.splat(0),
    b0 = a0,
    a1 = a0,
    b1 = a0,
    a2 = a0,
    b2 = a0,
    a3 = a0,
    b3 = a0;
  if (accumulate) {
    a0 = v128.load(out);
    b0 = v128.load(out, 16);
    if (R > 1) a1 = v128.load(out + rowBytes);
    if (R > 1) b1 = v128.load(out + rowBytes, 16);
    if (R > 2) a2 = v128.load(out + 2 * rowBytes);
    if (R > 2) b2 = v128.load(out + 2 * rowBytes, 16);
    if (R > 3) a3 = v128.load(out + 3 * rowBytes);
    if (R > 3) b3 = v128.load(out + 3 * rowBytes, 16);
  }
  for (const end = data + ((<usize>n) << 5); data < end; data += 32, rows += 16) {
    const a = v128.load(data),
      b = v128.load(data, 16);
    let x = v128.load32_splat(rows);
    a0 = f32x4.add(a0, f32x4.mul(x, a));
    b0 = f32x4.add(b0, f32x4.mul(x, b));
    if (R > 1) {
      x = v128.load32_splat(rows, 4);
      a1 = f32x4.add(a1, f32x4.mul(x, a));
      b1 = f32x4.add(b1, f32x4.mul(x, b));
    }
    if (R > 2) {
      x = v128.load32_splat(rows, 8);
      a2 = f32x4.add(a2, f32x4.mul(x, a));
      b2 = f32x4.add(b2, f32x4.mul(x, b));
    }
    if (R > 3) {
      x = v128.load32_splat(rows, 12);
      a3 = f32x4.add(a3, f32x4.mul(x, a));
      b3 = f32x4.add(b3, f32x4.mul(x, b));
    }
  }
  store8(out, a0, b0);
  if (R > 1) store8(out + rowBytes, a1, b1);
  if (R > 2) store8(out + 2 * rowBytes, a2, b2);
  if (R > 3) store8(out + 3 * rowBytes, a3, b3);
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
function store8(out: usize, a: v128, b: v128): void {
  v128.store(out, a);
  v128.store(out, b, 16);
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

/** Eight channels of one row, divided by the row's sum of weights. */
@inline
export function storeValues(r: i32, y: usize, scratch: usize): void {
  const values = scratch + VALUES_OFFSET + ((<usize>r) << 5);
  const factor = v128.load32_splat(scratch + SUMS_OFFSET + ((<usize>r) << 2));
  v128.store(y, f32x4.mul(v128.load(values), factor));
  v128.store(y, f32x4.mul(v128.load(values, 16), factor), 16);
}
