/** Twin of `../elementwise/plain-activation-quantize.ts`. */
import { gelu_f32, gelu_tanh_f32, relu_f32 } from "./plain-activation";
import { absmaxRow, quantizeRow } from "./quantize-activations";

function quantizeFloats(x: usize, q: usize, scaleAt: usize, sums: usize, F: i32, G: i32, scale: f32): void {
  const rowScale: f32 = scale > 0 ? scale : absmaxRow(x, F) / 127;
  store<f32>(scaleAt, rowScale);
  quantizeRow(x, q, sums, F, G, rowScale == 0 ? 1 : rowScale);
}

export function gelu_f32_qd8(
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
    gelu_f32(row, row, F, stride, 0, 1);
    quantizeFloats(row, q + m * F, scales + (m << 2), sums + ((m * (F / G)) << 2), F, G, scale);
  }
}

export function gelu_tanh_f32_qd8(
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
    gelu_tanh_f32(row, row, F, stride, 0, 1);
    quantizeFloats(row, q + m * F, scales + (m << 2), sums + ((m * (F / G)) << 2), F, G, scale);
  }
}

export function relu_f32_qd8(
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
    relu_f32(row, row, F, stride, 0, 1);
    quantizeFloats(row, q + m * F, scales + (m << 2), sums + ((m * (F / G)) << 2), F, G, scale);
  }
}
