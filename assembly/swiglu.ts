/**
 * SwiGLU (Shazeer 2020, equation 6): y[m,f] = silu(x[m,f]) * x[m,F+f].
 *
 *   x  f32[M, 2F]   gate, then up
 *   y  f32[M, F]    must not overlap x
 *
 * Reads and writes nothing outside the shapes. Units: rows. Error of silu: see math.ts.
 */
import { silu4 } from "./math";
import { loadPartial, storePartial } from "./simd";

/** One row of F; `y` may be `gate`. */
@inline
export function swigluRow(gate: usize, up: usize, y: usize, F: i32): void {
  const whole = (<usize>(F & ~3)) << 2;
  const rest = F & 3;
  for (let f: usize = 0; f < whole; f += 16) {
    v128.store(y + f, f32x4.mul(silu4(v128.load(gate + f)), v128.load(up + f)));
  }
  if (rest > 0) {
    storePartial(y + whole, f32x4.mul(silu4(loadPartial(gate + whole, rest)), loadPartial(up + whole, rest)), rest);
  }
}

export function swiglu_f32(x: usize, y: usize, F: i32, begin: i32, end: i32): void {
  const row = (<usize>F) << 2;
  for (let m = <usize>begin; m < <usize>end; m++) {
    const gate = x + m * (row << 1);
    swigluRow(gate, gate + row, y + m * row, F);
  }
}
