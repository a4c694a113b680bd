// Twin of ../round-float8.ts: one element at a time, by the definition of the format.
import { absmaxRow } from "./quantize-activations";

/** The value of the format nearest to x: x in units of the spacing where it lies, rounded to an integer. */
function roundFloat8(x: f32, mantissaBits: i32, minExponent: i32): f32 {
  let exponent = <i32>((reinterpret<u32>(x) >> 23) & 255) - 127;
  if (exponent == 128) return x; // NaN: infinities have been clamped
  if (exponent < minExponent) exponent = minExponent;
  const spacing = reinterpret<f32>((127 + exponent - mantissaBits) << 23);
  return nearest<f32>(x / spacing) * spacing + 0; // no negative zero
}

export function round_f32_f8(x: usize, K: i32, mantissaBits: i32, minExponent: i32, largest: f32, begin: i32, end: i32): void {
  for (let m = <usize>begin; m < <usize>end; m++) {
    const row = x + ((m * K) << 2);
    let scale: f32 = absmaxRow(row, K) / largest;
    if (scale == 0) scale = 1;
    for (let k: usize = 0; k < <usize>K; k++) {
      let value: f32 = load<f32>(row + (k << 2)) / scale;
      if (value > largest) value = largest;
      if (value < -largest) value = -largest;
      store<f32>(row + (k << 2), roundFloat8(value, mantissaBits, minExponent) * scale);
    }
  }
}
