/**
 * Gradient of KL(softmax(x) || softmax(y)) (kl-divergence.ts) with respect to the logits y, times a factor:
 *
 *   x[v] <- softmax(x)[v]        y[v] <- (softmax(y)[v] - softmax(x)[v]) * factor
 *
 *   x, y  f32[M, V], logits
 *
 * Equal rows give exactly 0. Preconditions and order of the sums: softmax.ts. Reads and writes nothing
 * outside the shapes. Units: rows.
 */
import { loadPartial, storePartial } from "../math/simd";
import { softmax_f32 } from "../elementwise/softmax";

export function kl_gradient_f32(x: usize, y: usize, factor: f32, V: i32, begin: i32, end: i32): void {
  const row = (<usize>V) << 2;
  const factors = f32x4.splat(factor);
  for (let m = <usize>begin; m < <usize>end; m++) {
    let p = x + m * row,
      q = y + m * row;
    softmax_f32(p, p, V, 1);
    softmax_f32(q, q, V, 1);
    for (const whole = q + ((<usize>(V & ~3)) << 2); q < whole; q += 16) {
      v128.store(q, f32x4.mul(f32x4.sub(v128.load(q), v128.load(p)), factors));
      p += 16;
    }
    const rest = V & 3;
    storePartial(q, f32x4.mul(f32x4.sub(loadPartial(q, rest), loadPartial(p, rest)), factors), rest);
  }
}
