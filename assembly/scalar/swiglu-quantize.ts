/** Twin of `../swiglu-quantize.ts`. */
import { silu } from "./math";
import { absmaxRow, quantizeRow } from "./quantize-activations";

function swigluRow(x: usize, F: i32): void {
  for (let f: usize = 0; f < <usize>F; f++) {
    const gate = x + (f << 2);
    store<f32>(gate, silu(load<f32>(gate)) * load<f32>(gate + ((<usize>F) << 2)));
  }
}

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
  for (let m = <usize>begin; m < <usize>end; m++) {
    const row = x + ((m * stride) << 2);
    swigluRow(row, F);
    const rowScale: f32 = scale > 0 ? scale : absmaxRow(row, F) / 127;
    store<f32>(scales + (m << 2), rowScale);
    quantizeRow(row, q + m * F, sums + ((m * <usize>(F / G)) << 2), F, G, rowScale == 0 ? 1 : rowScale);
  }
}
