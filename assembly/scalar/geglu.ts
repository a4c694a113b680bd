/** Twins of `../elementwise/geglu.ts`. */
import { geluTanh } from "./gelu";
import { absmaxRow, quantizeRow } from "./quantize-activations";

function gegluRow(gate: usize, y: usize, F: i32): void {
  for (let f: usize = 0; f < (<usize>F) << 2; f += 4) {
    store<f32>(y + f, geluTanh(load<f32>(gate + f)) * load<f32>(gate + ((<usize>F) << 2) + f));
  }
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
  for (let m = <usize>begin; m < <usize>end; m++) {
    const row = x + ((m * stride) << 2);
    gegluRow(row, row, F);
    const rowScale: f32 = scale > 0 ? scale : absmaxRow(row, F) / 127;
    store<f32>(scales + (m << 2), rowScale);
    quantizeRow(row, q + m * F, sums + ((m * <usize>(F / G)) << 2), F, G, rowScale == 0 ? 1 : rowScale);
  }
}
