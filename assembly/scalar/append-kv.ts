// Scalar twins of append-f32.ts and append-qs8.ts: one element at a time.
import { headBytesF32, headBytesQs8, kOffsetF32, kOffsetQs8, vOffsetF32, vOffsetQs8 } from "../layouts/layout-kv";


@inline
function source(x: usize, m: i32, stride: i32, g: i32, D: i32, d: i32): f32 {
  return load<f32>(x + ((<usize>m * stride + <usize>g * D + d) << 2));
}


@inline
function quantize(x: f32, scale: f32): i8 {
  const rounded = nearest<f32>(x / scale);
  if (rounded > 127) return 127;
  if (rounded < -128) return -128;
  return rounded == rounded ? <i8>(<i32>rounded) : 0;
}

export function append_k_f32(
  x: usize,
  cache: usize,
  position: i32,
  stride: i32,
  Hkv: i32,
  D: i32,
  S: i32,
  begin: i32,
  end: i32,
): void {
  for (let m = begin; m < end; m++) {
    for (let g = 0; g < Hkv; g++) {
      const head = cache + <usize>g * headBytesF32(S, D);
      for (let d = 0; d < D; d++) store<f32>(head + kOffsetF32(position + m, d, D), source(x, m, stride, g, D, d));
    }
  }
}

export function append_v_f32(
  x: usize,
  cache: usize,
  position: i32,
  stride: i32,
  Hkv: i32,
  D: i32,
  S: i32,
  begin: i32,
  end: i32,
): void {
  for (let m = begin; m < end; m++) {
    for (let g = 0; g < Hkv; g++) {
      const head = cache + <usize>g * headBytesF32(S, D);
      for (let d = 0; d < D; d++) store<f32>(head + vOffsetF32(position + m, d, S), source(x, m, stride, g, D, d));
    }
  }
}

export function append_k_qs8(
  x: usize,
  cache: usize,
  position: i32,
  stride: i32,
  Hkv: i32,
  D: i32,
  S: i32,
  scale: f32,
  begin: i32,
  end: i32,
): void {
  for (let m = begin; m < end; m++) {
    for (let g = 0; g < Hkv; g++) {
      const head = cache + <usize>g * headBytesQs8(S, D);
      for (let d = 0; d < D; d++)
        store<i8>(head + kOffsetQs8(position + m, d, D), quantize(source(x, m, stride, g, D, d), scale));
    }
  }
}

export function append_v_qs8(
  x: usize,
  cache: usize,
  position: i32,
  stride: i32,
  Hkv: i32,
  D: i32,
  S: i32,
  scale: f32,
  begin: i32,
  end: i32,
): void {
  for (let m = begin; m < end; m++) {
    for (let g = 0; g < Hkv; g++) {
      const head = cache + <usize>g * headBytesQs8(S, D);
      for (let d = 0; d < D; d++)
        store<i8>(head + vOffsetQs8(position + m, d, S), quantize(source(x, m, stride, g, D, d), scale));
    }
  }
}
