/**
 * Gradients of RMSNorm (rmsnorm.ts), y[k] = x[k] r weight[k] with r = 1 / rms(x):
 *
 *   dx[k]       += r (g[k] - x[k] c)          g[k] = dy[k] weight[k]        c = (sum of g[k] x[k]) r^2 / K
 *   dweight[k]  += sum over m of dy[k] x[k] r
 *
 *   x, dy, dx         f32[M, K]
 *   weight, dweight   f32[K]
 *
 * Order of the sums: r as in rmsnorm.ts; element k of the other one belongs to lane k mod 4, ascending, then
 * lanes (0 + 1) + (2 + 3); rows ascending. Preconditions: K a multiple of 4. Reads and writes nothing outside
 * the shapes. Whole: rows add to one dweight.
 */
import { reciprocalRms } from "../elementwise/rmsnorm";
import { sumLanes } from "../math/simd";

export function rmsnorm_backward_f32(
  x: usize,
  weight: usize,
  dy: usize,
  dx: usize,
  dweight: usize,
  M: i32,
  K: i32,
  eps: f32,
): void {
  const row = (<usize>K) << 2;
  for (let m = 0; m < M; m++) {
    const r = reciprocalRms(x, K, eps);
    let sum = f32x4.splat(0);
    for (let i: usize = 0; i < row; i += 16) {
      const g = f32x4.mul(v128.load(dy + i), v128.load(weight + i));
      sum = f32x4.add(sum, f32x4.mul(g, v128.load(x + i)));
    }
    const c = f32x4.splat((sumLanes(sum) * r * r) / <f32>K);
    const rs = f32x4.splat(r);
    for (let i: usize = 0; i < row; i += 16) {
      const xs = v128.load(x + i),
        ds = v128.load(dy + i);
      const change = f32x4.sub(f32x4.mul(ds, v128.load(weight + i)), f32x4.mul(xs, c));
      v128.store(dx + i, f32x4.add(v128.load(dx + i), f32x4.mul(rs, change)));
      v128.store(dweight + i, f32x4.add(v128.load(dweight + i), f32x4.mul(ds, f32x4.mul(xs, rs))));
    }
    x += row;
    dy += row;
    dx += row;
  }
}
