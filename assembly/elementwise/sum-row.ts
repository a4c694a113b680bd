/**
 * The sums norms are made of, over one row x f32[K], all in one order:
 *
 *   VALUES           sum of x[k]
 *   SQUARES          sum of x[k]^2
 *   CENTRED_SQUARES  sum of (x[k] - mean)^2
 *
 * Order: element k belongs to lane k mod 16 (four vectors), ascending; missing elements count as zero;
 * then vectors (0 + 1) + (2 + 3), then lanes (0 + 1) + (2 + 3).
 * Why four vectors: one accumulator waits for the four cycles of its own addition.
 */
import { loadPartialOver, sumLanes } from "../math/simd";

export const VALUES: i32 = 0;
export const SQUARES: i32 = 1;
export const CENTRED_SQUARES: i32 = 2;


@inline
function addTerm(terms: i32, sum: v128, x: v128, mean: v128): v128 {
  if (terms == VALUES) return f32x4.add(sum, x);
  const root = terms == SQUARES ? x : f32x4.sub(x, mean);
  return f32x4.add(sum, f32x4.mul(root, root));
}

/**
 * The `count` floats at `p`, at most four, then the lanes of `fill`.
 * Not inlined: at the end of a row, calls cost less than code.
 */
function loadUpTo4(fill: v128, p: usize, count: i32): v128 {
  return count >= 4 ? v128.load(p) : loadPartialOver(fill, p, count);
}

/**
 * `terms` is one of the three, a literal; `mean`, in all lanes, is that of the last, and 0 for the others.
 */
@inline
export function sumRow(terms: i32, x: usize, K: i32, mean: v128): f32 {
  let sum0 = f32x4.splat(0),
    sum1 = sum0,
    sum2 = sum0,
    sum3 = sum0;
  let p = x;
  for (const blocksEnd = x + ((<usize>(K & ~15)) << 2); p < blocksEnd; p += 64) {
    sum0 = addTerm(terms, sum0, v128.load(p), mean);
    sum1 = addTerm(terms, sum1, v128.load(p, 16), mean);
    sum2 = addTerm(terms, sum2, v128.load(p, 32), mean);
    sum3 = addTerm(terms, sum3, v128.load(p, 48), mean);
  }
  // At most three vectors and one partial one are left, for accumulators 0, 1, 2, 3 in turn. A lane without
  // an element holds the mean, whose term is zero and changes nothing.
  const left = K & 15;
  if (left > 0) sum0 = addTerm(terms, sum0, loadUpTo4(mean, p, left), mean);
  if (left > 4) sum1 = addTerm(terms, sum1, loadUpTo4(mean, p + 16, left - 4), mean);
  if (left > 8) sum2 = addTerm(terms, sum2, loadUpTo4(mean, p + 32, left - 8), mean);
  if (left > 12) sum3 = addTerm(terms, sum3, loadUpTo4(mean, p + 48, left - 12), mean);
  return sumLanes(f32x4.add(f32x4.add(sum0, sum1), f32x4.add(sum2, sum3)));
}
