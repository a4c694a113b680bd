/**
 * The two products of attention, scores = q k^T and values = p v, are the same tile over different operands:
 * up to four rows by eight lanes, summed over n. This is the one in floats; attention-tile-qs8.ts has the one
 * in integers.
 *
 *   out[r, lane] = start + sum over i < n, ascending, of rows[i, r] * data[i, lane]
 *     rows f32[n][4], data f32[n][8]
 *
 *   out          f32, row r at r * rowBytes
 *   R            1..4 rows, a literal: the others cost nothing
 *   accumulate   a literal: start is what `out` holds, else 0
 *
 * A rounded multiply, then a rounded add, in ascending i; so a sum may be cut anywhere and continued.
 *
 * 4 x 8: eight accumulators, the data of one step and a broadcast stay within 15 registers, and each loaded
 * byte serves four rows. Measured on one Sapphire Rapids core, Node 20, D = 64: 20 GMAC/s with four rows, 18
 * with three, 10 with one.
 */
import { SUMS_OFFSET, TileRow, VALUES_OFFSET } from "../layouts/layout-kv";


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
export function store8(out: usize, a: v128, b: v128): void {
  v128.store(out, a);
  v128.store(out, b, 16);
}

/** The accumulators of a tile's rows, each divided by its sum of weights. */
export function storeValues(R: i32, D: i32, scratch: usize): void {
  let values = scratch + VALUES_OFFSET;
  for (let r = 0; r < R; r++) {
    const factor = v128.load32_splat(scratch + SUMS_OFFSET + ((<usize>r) << 2));
    let y = changetype<TileRow>(scratch + <usize>r * offsetof<TileRow>()).y;
    for (const end = values + ((<usize>D) << 2); values < end; values += 32, y += 32) {
      store8(y, f32x4.mul(v128.load(values), factor), f32x4.mul(v128.load(values, 16), factor));
    }
  }
}
