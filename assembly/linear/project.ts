/**
 * A row of a matrix times a panel of eight vectors, in f64: what GPTQ and the refinement after it are made
 * of.
 *
 * Order: k ascending, a rounded multiply then a rounded add. Why eight rows, two columns at a time: eight
 * accumulators of two, and what is loaded of the panel serves two columns.
 */

/**
 * sum over columns k in [first, last) of U[j,k] * e[k, r] for rows r of a panel e f64[K, 8], and the same for
 * row j+1 of U, `row` bytes on, to `out` f64[2, 8]. A `row` of 0 gives the first twice.
 */
export function projectTwo(u: usize, row: usize, e: usize, first: i32, last: i32, out: usize): void {
  let s0 = f64x2.splat(0),
    s1 = s0,
    s2 = s0,
    s3 = s0,
    t0 = s0,
    t1 = s0,
    t2 = s0,
    t3 = s0;
  let p = e + ((<usize>first) << 6);
  const end = u + ((<usize>last) << 3);
  for (u += (<usize>first) << 3; u < end; u += 8) {
    const e0 = v128.load(p),
      e1 = v128.load(p, 16),
      e2 = v128.load(p, 32),
      e3 = v128.load(p, 48);
    const a = v128.load64_splat(u);
    s0 = f64x2.add(s0, f64x2.mul(a, e0));
    s1 = f64x2.add(s1, f64x2.mul(a, e1));
    s2 = f64x2.add(s2, f64x2.mul(a, e2));
    s3 = f64x2.add(s3, f64x2.mul(a, e3));
    const b = v128.load64_splat(u + row);
    t0 = f64x2.add(t0, f64x2.mul(b, e0));
    t1 = f64x2.add(t1, f64x2.mul(b, e1));
    t2 = f64x2.add(t2, f64x2.mul(b, e2));
    t3 = f64x2.add(t3, f64x2.mul(b, e3));
    p += 64;
  }
  v128.store(out, s0);
  v128.store(out, s1, 16);
  v128.store(out, s2, 32);
  v128.store(out, s3, 48);
  v128.store(out, t0, 64);
  v128.store(out, t1, 80);
  v128.store(out, t2, 96);
  v128.store(out, t3, 112);
}
