/**
 * Gradient of SwiGLU (swiglu.ts), y = g s u with s = 1 / (1 + exp(-g)):
 *
 *   dg = dy u (s (1 + g (1 - s)))        du = dy (g s)
 *
 *   x   f32[M, 2F]   gate, then up; becomes its own gradient
 *   dy  f32[M, F]
 *
 * A gate so low that exp(-g) is no float has s = 0 and gradients of zero.
 * Preconditions: F a multiple of 4. Reads and writes nothing outside the shapes. Units: rows.
 */
import { exp4 } from "../math/math";

export function swiglu_backward_f32(x: usize, dy: usize, F: i32, begin: i32, end: i32): void {
  const row = (<usize>F) << 2;
  const one = f32x4.splat(1);
  for (let m = <usize>begin; m < <usize>end; m++) {
    let gate = x + m * (row << 1);
    let d = dy + m * row;
    for (const up = gate + row; gate < up; gate += 16) {
      const g = v128.load(gate),
        u = v128.load(gate + row),
        ds = v128.load(d);
      const s = f32x4.div(one, f32x4.add(one, exp4(f32x4.neg(g))));
      const slope = f32x4.mul(s, f32x4.add(one, f32x4.mul(g, f32x4.sub(one, s))));
      v128.store(gate, f32x4.mul(f32x4.mul(ds, u), slope));
      v128.store(gate + row, f32x4.mul(ds, f32x4.mul(g, s)));
      d += 16;
    }
  }
}
