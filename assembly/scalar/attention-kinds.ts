// Scalar twins of attention-kinds.ts.
import { F32, QD8, QS8 } from "../attention/attention";
import { attention } from "./attention";

export function attention_f32_kf32_vf32(
  q: usize,
  k: usize,
  v: usize,
  y: usize,
  rows: usize,
  slopes: usize,
  M: i32,
  stride: i32,
  H: i32,
  Hkv: i32,
  D: i32,
  S: i32,
  window: i32,
  divisor: f32,
  cap: f32,
  kScale: f32,
  vScale: f32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  // prettier-ignore
  attention(F32, F32, q, k, v, y, rows, slopes, M, stride, H, Hkv, D, S, window, divisor, cap, kScale, vScale, begin, end, scratch);
}

export function attention_f32_kqs8_vqs8(
  q: usize,
  k: usize,
  v: usize,
  y: usize,
  rows: usize,
  slopes: usize,
  M: i32,
  stride: i32,
  H: i32,
  Hkv: i32,
  D: i32,
  S: i32,
  window: i32,
  divisor: f32,
  cap: f32,
  kScale: f32,
  vScale: f32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  // prettier-ignore
  attention(QS8, QS8, q, k, v, y, rows, slopes, M, stride, H, Hkv, D, S, window, divisor, cap, kScale, vScale, begin, end, scratch);
}

export function attention_f32_kqd8_vqd8(
  q: usize,
  k: usize,
  v: usize,
  y: usize,
  rows: usize,
  slopes: usize,
  M: i32,
  stride: i32,
  H: i32,
  Hkv: i32,
  D: i32,
  S: i32,
  window: i32,
  divisor: f32,
  cap: f32,
  kScale: f32,
  vScale: f32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  // prettier-ignore
  attention(QD8, QD8, q, k, v, y, rows, slopes, M, stride, H, Hkv, D, S, window, divisor, cap, kScale, vScale, begin, end, scratch);
}

export function attention_f32_kqs8_vf32(
  q: usize,
  k: usize,
  v: usize,
  y: usize,
  rows: usize,
  slopes: usize,
  M: i32,
  stride: i32,
  H: i32,
  Hkv: i32,
  D: i32,
  S: i32,
  window: i32,
  divisor: f32,
  cap: f32,
  kScale: f32,
  vScale: f32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  // prettier-ignore
  attention(QS8, F32, q, k, v, y, rows, slopes, M, stride, H, Hkv, D, S, window, divisor, cap, kScale, vScale, begin, end, scratch);
}

export function attention_f32_kf32_vqs8(
  q: usize,
  k: usize,
  v: usize,
  y: usize,
  rows: usize,
  slopes: usize,
  M: i32,
  stride: i32,
  H: i32,
  Hkv: i32,
  D: i32,
  S: i32,
  window: i32,
  divisor: f32,
  cap: f32,
  kScale: f32,
  vScale: f32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  // prettier-ignore
  attention(F32, QS8, q, k, v, y, rows, slopes, M, stride, H, Hkv, D, S, window, divisor, cap, kScale, vScale, begin, end, scratch);
}

export function attention_f32_kqd8_vf32(
  q: usize,
  k: usize,
  v: usize,
  y: usize,
  rows: usize,
  slopes: usize,
  M: i32,
  stride: i32,
  H: i32,
  Hkv: i32,
  D: i32,
  S: i32,
  window: i32,
  divisor: f32,
  cap: f32,
  kScale: f32,
  vScale: f32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  // prettier-ignore
  attention(QD8, F32, q, k, v, y, rows, slopes, M, stride, H, Hkv, D, S, window, divisor, cap, kScale, vScale, begin, end, scratch);
}

export function attention_f32_kf32_vqd8(
  q: usize,
  k: usize,
  v: usize,
  y: usize,
  rows: usize,
  slopes: usize,
  M: i32,
  stride: i32,
  H: i32,
  Hkv: i32,
  D: i32,
  S: i32,
  window: i32,
  divisor: f32,
  cap: f32,
  kScale: f32,
  vScale: f32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  // prettier-ignore
  attention(F32, QD8, q, k, v, y, rows, slopes, M, stride, H, Hkv, D, S, window, divisor, cap, kScale, vScale, begin, end, scratch);
}

export function attention_f32_kqd8_vqs8(
  q: usize,
  k: usize,
  v: usize,
  y: usize,
  rows: usize,
  slopes: usize,
  M: i32,
  stride: i32,
  H: i32,
  Hkv: i32,
  D: i32,
  S: i32,
  window: i32,
  divisor: f32,
  cap: f32,
  kScale: f32,
  vScale: f32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  // prettier-ignore
  attention(QD8, QS8, q, k, v, y, rows, slopes, M, stride, H, Hkv, D, S, window, divisor, cap, kScale, vScale, begin, end, scratch);
}

export function attention_f32_kqs8_vqd8(
  q: usize,
  k: usize,
  v: usize,
  y: usize,
  rows: usize,
  slopes: usize,
  M: i32,
  stride: i32,
  H: i32,
  Hkv: i32,
  D: i32,
  S: i32,
  window: i32,
  divisor: f32,
  cap: f32,
  kScale: f32,
  vScale: f32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  // prettier-ignore
  attention(QS8, QD8, q, k, v, y, rows, slopes, M, stride, H, Hkv, D, S, window, divisor, cap, kScale, vScale, begin, end, scratch);
}
