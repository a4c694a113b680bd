/**
 * GEGLU (Shazeer 2020, equation 6) by GELU with tanh, as it is and quantized:
 *
 *   a[m,f] = geluTanh(x[m,f]) * x[m,F+f]
 *
 *   x       f32[M, 2F]     gate, then up, the first 2F of rows of `stride` floats; of geglu_tanh_f32_qd8 a[m]
 *                          replaces the gate of row m
 *   y       f32[M, F]      a; must not overlap x
 *   q       i8[M, F]       with scales f32[M], sums i32[M, F/G]: as in quantize-activations.ts, K = F
 *
 * `scale` is the calibrated one of all rows (static), or 0: each row gets its own (dynamic). The bits of the
 * second are those of geglu_tanh_f32 and quantize_f32_qs8 or qd8 one after the other. Units: rows; pointers
 * are those of row 0. Preconditions of the second: F % G == 0, G % 16 == 0.
 * Reads and writes nothing outside the shapes. Error of GELU, NaN and infinities: math/gelu.ts; the product
 * is rounded.
 *
 * Why two passes over a row: the first is the one of MLPs without a gate, 680 bytes of code, and the second
 * takes a tenth of its time.
 */
import { loadPartial, storePartial } from "../math/simd";
import { geluTanhRow } from "./plain-activation";
import { quantizeFloats } from "./quantize-row";

/** Not inlined: one call for each row costs nothing, and two kernels share it. `y` may be `gate`. */
function gegluRow(gate: usize, y: usize, F: i32): void {
  geluTanhRow(gate, y, F);
  let up = gate + ((<usize>F) << 2);
  for (const end = y + ((<usize>(F & ~3)) << 2); y < end; y += 16, up += 16) {
    v128.store(y, f32x4.mul(v128.load(y), v128.load(up)));
  }
  const rest = F & 3;
  storePartial(y, f32x4.mul(loadPartial(y, rest), loadPartial(up, rest)), rest);
}

export function geglu_tanh_f32(x: usize, y: usize, F: i32, stride: i32, begin: i32, end: i32): void {
  for (let m = <usize>begin; m < <usize>end; m++) gegluRow(x + ((m * stride) << 2), y + ((m * F) << 2), F);
}

export function geglu_tanh_f32_qd8(
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
    gegluRow(row, row, F);
    quantizeFloats(row, q + m * F, scales + (m << 2), sums + ((m * groups) << 2), F, G, scale);
  }
}
