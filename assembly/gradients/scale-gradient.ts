/**
 * Gradient of a loss with respect to the logarithm of each weight scale of a linear layer y = x W^T:
 *
 *   gradients[n,g] = sum over k of group g of w[n,k] * d[n,k]
 *     d[n,k] = sum over m of dy[m,n] * x[m,k], the weight's gradient
 *
 *   dy          f32w panels of [N, M]   gradient of y, its columns packed (pack-columns.ts)
 *   x           f32w panels of [K, M]   the layer's input, likewise
 *   w           f32w panels of [K, N]   the transposed weights (transpose-qb4w.ts)
 *   gradients   f32[N, K/G]             written
 *
 * Order: d in f32, m ascending, a rounded multiply then a rounded add. Products with w are added by lane k
 * mod 4, k ascending; then lanes (0 + 1) + (2 + 3). Preconditions: G a multiple of 8. Reads and writes
 * nothing outside the shapes. Units: groups. Why 4 x 8: see gemm-f32-f32-f32w.ts.
 */
import { NR, panelBytesF32w } from "../layouts/layout";
import { sumLanes } from "../math/simd";


@inline
function multiplyAdd(sum: v128, a: v128, b: v128): v128 {
  return f32x4.add(sum, f32x4.mul(a, b));
}

/**
 * Four channels, whose `dy` begins at lane 0 or 4 of a panel and whose weights follow `w`, over the group of
 * k that `x` begins.
 */
function fourChannels(dy: usize, x: usize, w: usize, M: i32, N: i32, G: i32, out: usize, outRow: usize, channels: i32): void {
  let t0 = f32x4.splat(0),
    t1 = t0,
    t2 = t0,
    t3 = t0;
  const last = dy + panelBytesF32w(M);
  for (let k = 0; k < G; k += NR) {
    let s00 = f32x4.splat(0),
      s01 = s00,
      s10 = s00,
      s11 = s00,
      s20 = s00,
      s21 = s00,
      s30 = s00,
      s31 = s00;
    for (let a = dy; a < last; a += NR << 2) {
      const x0 = v128.load(x),
        x1 = v128.load(x, 16);
      const a0 = v128.load32_splat(a);
      s00 = multiplyAdd(s00, a0, x0);
      s01 = multiplyAdd(s01, a0, x1);
      const a1 = v128.load32_splat(a, 4);
      s10 = multiplyAdd(s10, a1, x0);
      s11 = multiplyAdd(s11, a1, x1);
      const a2 = v128.load32_splat(a, 8);
      s20 = multiplyAdd(s20, a2, x0);
      s21 = multiplyAdd(s21, a2, x1);
      const a3 = v128.load32_splat(a, 12);
      s30 = multiplyAdd(s30, a3, x0);
      s31 = multiplyAdd(s31, a3, x1);
      x += NR << 2;
    }
    t0 = multiplyAdd(multiplyAdd(t0, s00, v128.load(w)), s01, v128.load(w, 16));
    if (channels > 1) t1 = multiplyAdd(multiplyAdd(t1, s10, v128.load(w, 32)), s11, v128.load(w, 48));
    if (channels > 2) t2 = multiplyAdd(multiplyAdd(t2, s20, v128.load(w, 64)), s21, v128.load(w, 80));
    if (channels > 3) t3 = multiplyAdd(multiplyAdd(t3, s30, v128.load(w, 96)), s31, v128.load(w, 112));
    w += panelBytesF32w(N);
  }
  store<f32>(out, sumLanes(t0));
  if (channels > 1) store<f32>(out + outRow, sumLanes(t1));
  if (channels > 2) store<f32>(out + 2 * outRow, sumLanes(t2));
  if (channels > 3) store<f32>(out + 3 * outRow, sumLanes(t3));
}

export function scale_gradient_f32(
  dy: usize,
  x: usize,
  w: usize,
  gradients: usize,
  M: i32,
  N: i32,
  K: i32,
  G: i32,
  begin: i32,
  end: i32,
): void {
  const outRow = (<usize>(K / G)) << 2;
  for (let g = begin; g < end; g++) {
    const firstPanel = <usize>(g * (G / NR));
    const xGroup = x + firstPanel * panelBytesF32w(M);
    const wGroup = w + firstPanel * panelBytesF32w(N);
    for (let n = 0; n < N; n += 4) {
      const column = dy + <usize>(n / NR) * panelBytesF32w(M) + ((<usize>(n & 4)) << 2);
      const out = gradients + <usize>n * outRow + ((<usize>g) << 2);
      fourChannels(column, xGroup, wGroup + ((<usize>(n * NR)) << 2), M, N, G, out, outRow, min(N - n, 4));
    }
  }
}
