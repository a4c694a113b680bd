/**
 * Cholesky factor of a symmetric positive definite matrix, in place: A = U^T U, U upper triangular.
 *
 *   U[i,i] = sqrt(A[i,i] - sum over k < i of U[k,i]^2)
 *     U[i,j] = (A[i,j] - sum over k < i of U[k,i] * U[k,j]) / U[i,i],  j > i
 *
 *   a  f64[K, stride]
 *      the upper triangle of A, replaced by U; what lies below inside the diagonal blocks of 4 means nothing
 *
 * Returns -1, or the first i whose pivot is not a positive finite number; a is then of no use. Order: k
 * ascending, a rounded multiply then a rounded subtraction. Preconditions: K a multiple of 4, stride at least
 * K and even. Reads and writes nothing outside the shapes. Whole.
 *
 * Why a stride: rows of 1536 doubles lie 12 KiB apart, a multiple of a page, so that a column falls into one
 * set of the first-level cache; eight doubles more spread it. Why 4x4 tiles over all earlier rows: eight
 * accumulators and two loads of U[k,j] fit the registers, and A is written once.
 */

/**
 * a[i..i+3, j..j+3] -= sum over k < i of U[k, i..i+3]^T U[k, j..j+3]. `u` and `v` point at a[0, i] and a[0,
 * j].
 */
function subtractAbove(u: usize, v: usize, out: usize, i: i32, row: usize): void {
  let s00 = v128.load(out),
    s01 = v128.load(out, 16),
    s10 = v128.load(out + row),
    s11 = v128.load(out + row, 16);
  let s20 = v128.load(out + 2 * row),
    s21 = v128.load(out + 2 * row, 16),
    s30 = v128.load(out + 3 * row),
    s31 = v128.load(out + 3 * row, 16);
  for (let k = 0; k < i; k++) {
    const v0 = v128.load(v),
      v1 = v128.load(v, 16);
    const u0 = v128.load64_splat(u);
    s00 = f64x2.sub(s00, f64x2.mul(u0, v0));
    s01 = f64x2.sub(s01, f64x2.mul(u0, v1));
    const u1 = v128.load64_splat(u, 8);
    s10 = f64x2.sub(s10, f64x2.mul(u1, v0));
    s11 = f64x2.sub(s11, f64x2.mul(u1, v1));
    const u2 = v128.load64_splat(u, 16);
    s20 = f64x2.sub(s20, f64x2.mul(u2, v0));
    s21 = f64x2.sub(s21, f64x2.mul(u2, v1));
    const u3 = v128.load64_splat(u, 24);
    s30 = f64x2.sub(s30, f64x2.mul(u3, v0));
    s31 = f64x2.sub(s31, f64x2.mul(u3, v1));
    u += row;
    v += row;
  }
  v128.store(out, s00);
  v128.store(out, s01, 16);
  v128.store(out + row, s10);
  v128.store(out + row, s11, 16);
  v128.store(out + 2 * row, s20);
  v128.store(out + 2 * row, s21, 16);
  v128.store(out + 3 * row, s30);
  v128.store(out + 3 * row, s31, 16);
}

/** Rows i .. i+3 among themselves: at[r, c] is a[i+r, i+c]. Returns the first r with a bad pivot, or -1. */
function factorRows(at: usize, columns: i32, row: usize): i32 {
  for (let r = 0; r < 4; r++) {
    const current = at + <usize>r * row;
    for (let above = 0; above < r; above++) {
      const earlier = at + <usize>above * row;
      const factor = load<f64>(earlier + ((<usize>r) << 3));
      for (let c = r; c < columns; c++) {
        const p = (<usize>c) << 3;
        store<f64>(current + p, load<f64>(current + p) - factor * load<f64>(earlier + p));
      }
    }
    const pivot = load<f64>(current + ((<usize>r) << 3));
    if (!(pivot > 0 && pivot < Infinity)) return r;
    const root = sqrt<f64>(pivot);
    store<f64>(current + ((<usize>r) << 3), root);
    for (let c = r + 1; c < columns; c++) {
      const p = (<usize>c) << 3;
      store<f64>(current + p, load<f64>(current + p) / root);
    }
  }
  return -1;
}

export function cholesky_f64(a: usize, K: i32, stride: i32): i32 {
  const row = (<usize>stride) << 3;
  for (let i = 0; i < K; i += 4) {
    const rows = a + <usize>i * row;
    for (let j = i; j < K; j += 4) {
      const column = (<usize>j) << 3;
      subtractAbove(a + ((<usize>i) << 3), a + column, rows + column, i, row);
    }
    const bad = factorRows(rows + ((<usize>i) << 3), K - i, row);
    if (bad >= 0) return i + bad;
  }
  return -1;
}
