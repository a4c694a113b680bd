/**
 * RMSNorm (Zhang and Sennrich 2019, equation 4), in Hugging Face's order of rounding.
 *
 *   r = 1 / sqrt(sum of x[k]^2 / K + eps)      y[k] = (x[k] * r) * weight[k]
 *
 *   x, y    f32[M, K], or `heads` heads of D at the start of rows of `stride` floats; y may be x
 *   weight  f32[K] (f32[D])
 *
 * Order of the sum: element k belongs to lane k mod 16 (four vectors), ascending; missing elements count as zero;
 * then vectors (0 + 1) + (2 + 3), then lanes (0 + 1) + (2 + 3). Square root and divisions are exact (IEEE), so all bits are fixed.
 * Why four vectors: one accumulator waits for the four cycles of its own addition.
 */
import { loadPartial, storePartial, sumLanes } from "../math/simd";


@inline
function addSquare(sum: v128, x: v128): v128 {
  return f32x4.add(sum, f32x4.mul(x, x));
}

/** r of f32[K] at x. Not inlined: one call for each row costs nothing, and six kernels share it. */
export function reciprocalRms(x: usize, K: i32, eps: f32): f32 {
  let sum0 = f32x4.splat(0),
    sum1 = sum0,
    sum2 = sum0,
    sum3 = sum0;
  let p = x;
  for (const blocksEnd = x + ((<usize>(K & ~15)) << 2); p < blocksEnd; p += 64) {
    sum0 = addSquare(sum0, v128.load(p));
    sum1 = addSquare(sum1, v128.load(p, 16));
    sum2 = addSquare(sum2, v128.load(p, 32));
    sum3 = addSquare(sum3, v128.load(p, 48));
  }
  // At most three vectors and one partial one are left, for accumulators 0, 1, 2, 3 in turn; a zero square changes nothing.
  const left = K & 15;
  if (left > 0) sum0 = addSquare(sum0, left >= 4 ? v128.load(p) : loadPartial(p, left));
  if (left > 4) sum1 = addSquare(sum1, left >= 8 ? v128.load(p, 16) : loadPartial(p + 16, left - 4));
  if (left > 8) sum2 = addSquare(sum2, left >= 12 ? v128.load(p, 32) : loadPartial(p + 32, left - 8));
  if (left > 12) sum3 = addSquare(sum3, loadPartial(p + 48, left - 12));

  const sum = sumLanes(f32x4.add(f32x4.add(sum0, sum1), f32x4.add(sum2, sum3)));
  return 1 / sqrt<f32>(sum / <f32>K + eps);
}


@inline
function normalize(x: usize, weight: usize, y: usize, K: i32, eps: f32): void {
  const r = f32x4.splat(reciprocalRms(x, K, eps));
  for (const end = x + ((<usize>(K & ~3)) << 2); x < end; x += 16) {
    v128.store(y, f32x4.mul(f32x4.mul(v128.load(x), r), v128.load(weight)));
    y += 16;
    weight += 16;
  }
  const rest = K & 3;
  storePartial(y, f32x4.mul(f32x4.mul(loadPartial(x, rest), r), loadPartial(weight, rest)), rest);
}

/** Units: rows. */
export function rmsnorm_f32(x: usize, weight: usize, y: usize, M: i32, K: i32, eps: f32, begin: i32, end: i32): void {
  const row = (<usize>K) << 2;
  for (let m = begin; m < end; m++) normalize(x + <usize>m * row, weight, y + <usize>m * row, K, eps);
}

/** In place, per head. Units: rows. */
export function rmsnorm_heads_f32(
  x: usize,
  weight: usize,
  heads: i32,
  D: i32,
  stride: i32,
  eps: f32,
  begin: i32,
  end: i32,
): void {
  for (let m = begin; m < end; m++) {
    let head = x + <usize>m * ((<usize>stride) << 2);
    for (let h = 0; h < heads; h++) {
      normalize(head, weight, head, D, eps);
      head += (<usize>D) << 2;
    }
  }
}
