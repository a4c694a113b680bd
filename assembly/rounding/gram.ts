/**
 * The Hessian of a linear layer's output error, summed over rows of its input (GPTQ, Frantar et al. 2022,
 * section 3):
 *
 *   gram[i,j] += sum over m of x[m,i] * x[m,j]      for i <= j
 *
 *   x     f32[M, K]   rows follow one another
 *   gram  f64[K, K]   its upper triangle; what lies below inside the diagonal blocks of 8 may be written too,
 *                     and means nothing
 *
 * Order: f32 over at most ROWS rows, m ascending, a rounded multiply then a rounded add; blocks of rows are
 * added in f64, ascending. A call begins a block, so the bits depend on how rows are divided into calls but
 * not on threads. Preconditions: K a multiple of 8. Reads and writes nothing outside the shapes. Units: K/8
 * pairs of row tiles, one from the top and one from the bottom, which together are the same work in every
 * pair.
 *
 * Why ROWS = 256: the sums of a block stay as exact as a dot product's, and the f64 triangle (9 MB for K =
 * 1536) is read and written once for 256 rows rather than once for each.
 */
import { widenHigh, widenLow } from "../math/simd";

const ROWS: i32 = 256;


@inline
function addWide(p: usize, sum: v128): void {
  v128.store(p, f64x2.add(v128.load(p), widenLow(sum)));
  v128.store(p, f64x2.add(v128.load(p, 16), widenHigh(sum)), 16);
}

/**
 * Rows i .. i+3 times columns j .. j+7 over `rows` rows of x. `a` and `b` point at x[m, i] and x[m, j], `out`
 * at gram[i, j].
 */
function tile(a: usize, b: usize, out: usize, rows: i32, row: usize): void {
  let s00 = f32x4.splat(0),
    s01 = s00,
    s10 = s00,
    s11 = s00,
    s20 = s00,
    s21 = s00,
    s30 = s00,
    s31 = s00;
  for (let m = 0; m < rows; m++) {
    const b0 = v128.load(b),
      b1 = v128.load(b, 16);
    const a0 = v128.load32_splat(a);
    s00 = f32x4.add(s00, f32x4.mul(a0, b0));
    s01 = f32x4.add(s01, f32x4.mul(a0, b1));
    const a1 = v128.load32_splat(a, 4);
    s10 = f32x4.add(s10, f32x4.mul(a1, b0));
    s11 = f32x4.add(s11, f32x4.mul(a1, b1));
    const a2 = v128.load32_splat(a, 8);
    s20 = f32x4.add(s20, f32x4.mul(a2, b0));
    s21 = f32x4.add(s21, f32x4.mul(a2, b1));
    const a3 = v128.load32_splat(a, 12);
    s30 = f32x4.add(s30, f32x4.mul(a3, b0));
    s31 = f32x4.add(s31, f32x4.mul(a3, b1));
    a += row;
    b += row;
  }
  const outRow = row << 1;
  addWide(out, s00);
  addWide(out + 32, s01);
  out += outRow;
  addWide(out, s10);
  addWide(out + 32, s11);
  out += outRow;
  addWide(out, s20);
  addWide(out + 32, s21);
  out += outRow;
  addWide(out, s30);
  addWide(out + 32, s31);
}


@inline
function rowTile(t: i32, x: usize, gram: usize, rows: i32, K: i32): void {
  const row = (<usize>K) << 2;
  const i = t << 2;
  for (let j = i & ~7; j < K; j += 8) {
    tile(x + ((<usize>i) << 2), x + ((<usize>j) << 2), gram + ((<usize>i * K + j) << 3), rows, row);
  }
}

export function gram_f64_f32(x: usize, gram: usize, M: i32, K: i32, begin: i32, end: i32): void {
  const last = (K >> 2) - 1;
  for (let m = 0; m < M; m += ROWS) {
    const rows = min(M - m, ROWS);
    const block = x + ((<usize>m * K) << 2);
    for (let pair = begin; pair < end; pair++) {
      rowTile(pair, block, gram, rows, K);
      rowTile(last - pair, block, gram, rows, K);
    }
  }
}
