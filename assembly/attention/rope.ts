/**
 * Rotary embedding, half-split (Hugging Face order), in place.
 *
 *   a = x[i], b = x[i + D/2]      x[i]       = a cos[m,i] - b sin[m,i]
 *                                 x[i + D/2] = b cos[m,i] + a sin[m,i]      products rounded, then the sum
 *
 *   x         rows of `stride` floats; `heads` heads of D at the start of each, the rest of the row is left alone
 *   cos, sin  f32[M, D/2]     row m of x turns by row m of the tables
 *
 * Preconditions: D even; heads * D <= stride. Reads and writes nothing outside the shapes. Units: rows.
 */
import { loadPartial, storePartial } from "../math/simd";

export function rope_f32(x: usize, cos: usize, sin: usize, heads: i32, D: i32, stride: i32, begin: i32, end: i32): void {
  const half = D >> 1;
  const halfBytes = (<usize>half) << 2;
  const whole = (<usize>(half & ~3)) << 2;
  for (let m = begin; m < end; m++) {
    const cosRow = cos + <usize>m * halfBytes;
    const sinRow = sin + <usize>m * halfBytes;
    let head = x + <usize>m * ((<usize>stride) << 2);
    for (const rowEnd = head + ((<usize>(heads * D)) << 2); head < rowEnd; head += halfBytes << 1) {
      const other = head + halfBytes;
      for (let i: usize = 0; i < whole; i += 16) {
        const a = v128.load(head + i),
          b = v128.load(other + i);
        const c = v128.load(cosRow + i),
          s = v128.load(sinRow + i);
        v128.store(head + i, f32x4.sub(f32x4.mul(a, c), f32x4.mul(b, s)));
        v128.store(other + i, f32x4.add(f32x4.mul(b, c), f32x4.mul(a, s)));
      }
      const rest = half & 3;
      if (rest == 0) continue;
      const a = loadPartial(head + whole, rest),
        b = loadPartial(other + whole, rest);
      const c = loadPartial(cosRow + whole, rest),
        s = loadPartial(sinRow + whole, rest);
      storePartial(head + whole, f32x4.sub(f32x4.mul(a, c), f32x4.mul(b, s)), rest);
      storePartial(other + whole, f32x4.add(f32x4.mul(b, c), f32x4.mul(a, s)), rest);
    }
  }
}
