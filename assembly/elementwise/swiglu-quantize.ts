/**
 * SwiGLU and quantization in one pass over a row: the input of the down projection from the output of gate
 * and up.
 *
 *   a[m,f] = silu(x[m,f]) * x[m,F+f]           as in swiglu.ts
 *   q, scales, sums of a                       as in quantize-activations.ts, K = F
 *
 *   x       f32[M, 2F]     gate, then up, at the start of rows of `stride` floats; a[m] replaces the gate of
 *                          row m
 *   q       i8[M, F]
 *   scales  f32[M]
 *   sums    i32[M, F/G]
 *
 * `scale` is the calibrated one of all rows (static), or 0: each row gets its own, from its largest magnitude
 * (dynamic). The bits are those of swiglu_f32 and quantize_f32_qs8 or qd8 one after the other. Units: rows;
 * pointers are those of row 0. Preconditions: F % G == 0, G % 16 == 0. Reads and writes nothing outside the
 * shapes.
 *
 * Why a is stored: it takes an exponential and a division, too much to make twice, and the gate is not needed
 * again.
 */
import { quantizeFloats } from "./quantize-row";
import { swigluRow } from "./swiglu";

export function swiglu_f32_qd8(
  x: usize,
  q: usize,
  scales: usize,
  sums: usize,
  F: i32,
  G: i32,
  stride: i32,
  scale: f32,
  begin: i32,
  end: i32,
): void {
  const groups = F / G;
  for (let m = <usize>begin; m < <usize>end; m++) {
    const row = x + ((m * stride) << 2);
    swigluRow(row, row + ((<usize>F) << 2), row, F);
    quantizeFloats(row, q + m * F, scales + (m << 2), sums + ((m * groups) << 2), F, G, scale);
  }
}
