// Scalar twins of append-f32.ts and append-q8.ts: one element at a time.
import {
  BLOCK,
  blockAt,
  headBytesF32,
  headBytesQd8,
  headBytesQs8,
  kOffsetF32,
  kOffsetQs8,
  rowAt,
  scaleOffsetQd8,
  vOffsetF32,
  vOffsetQs8,
} from "../layouts/layout-kv";


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

/** Head g of the block that row m is written to. */
@inline
function headAt(cache: usize, rows: usize, m: i32, Hkv: i32, g: i32, headBytes: usize): usize {
  const row = rowAt(rows, m);
  return blockAt(cache, row.blocks, row.position, <usize>Hkv * headBytes) + <usize>g * headBytes;
}

/** Which token of its block row m is. */
@inline
function tokenOf(rows: usize, m: i32): i32 {
  return rowAt(rows, m).position % BLOCK;
}

export function append_k_f32(x: usize, cache: usize, rows: usize, stride: i32, Hkv: i32, D: i32, begin: i32, end: i32): void {
  for (let m = begin; m < end; m++) {
    for (let g = 0; g < Hkv; g++) {
      const head = headAt(cache, rows, m, Hkv, g, headBytesF32(D));
      for (let d = 0; d < D; d++) store<f32>(head + kOffsetF32(tokenOf(rows, m), d, D), source(x, m, stride, g, D, d));
    }
  }
}

export function append_v_f32(x: usize, cache: usize, rows: usize, stride: i32, Hkv: i32, D: i32, begin: i32, end: i32): void {
  for (let m = begin; m < end; m++) {
    for (let g = 0; g < Hkv; g++) {
      const head = headAt(cache, rows, m, Hkv, g, headBytesF32(D));
      for (let d = 0; d < D; d++) store<f32>(head + vOffsetF32(tokenOf(rows, m), d), source(x, m, stride, g, D, d));
    }
  }
}

export function append_k_qs8(
  x: usize,
  cache: usize,
  rows: usize,
  stride: i32,
  Hkv: i32,
  D: i32,
  scale: f32,
  begin: i32,
  end: i32,
): void {
  for (let m = begin; m < end; m++) {
    for (let g = 0; g < Hkv; g++) {
      const head = headAt(cache, rows, m, Hkv, g, headBytesQs8(D));
      for (let d = 0; d < D; d++)
        store<i8>(head + kOffsetQs8(tokenOf(rows, m), d, D), quantize(source(x, m, stride, g, D, d), scale));
    }
  }
}

export function append_v_qs8(
  x: usize,
  cache: usize,
  rows: usize,
  stride: i32,
  Hkv: i32,
  D: i32,
  scale: f32,
  begin: i32,
  end: i32,
): void {
  for (let m = begin; m < end; m++) {
    for (let g = 0; g < Hkv; g++) {
      const head = headAt(cache, rows, m, Hkv, g, headBytesQs8(D));
      for (let d = 0; d < D; d++)
        store<i8>(head + vOffsetQs8(tokenOf(rows, m), d), quantize(source(x, m, stride, g, D, d), scale));
    }
  }
}

/** The largest magnitude of D elements / 127; NaN unless all are finite. */
function dynamicScale(x: usize, m: i32, stride: i32, g: i32, D: i32): f32 {
  let largest: f32 = 0;
  for (let d = 0; d < D; d++) largest = max<f32>(largest, abs<f32>(source(x, m, stride, g, D, d)));
  return largest == f32.POSITIVE_INFINITY ? f32.NaN : largest / 127;
}

export function append_k_qd8(x: usize, cache: usize, rows: usize, stride: i32, Hkv: i32, D: i32, begin: i32, end: i32): void {
  for (let m = begin; m < end; m++) {
    for (let g = 0; g < Hkv; g++) {
      const head = headAt(cache, rows, m, Hkv, g, headBytesQd8(D));
      const scale = dynamicScale(x, m, stride, g, D);
      store<f32>(head + scaleOffsetQd8(tokenOf(rows, m), D), scale);
      for (let d = 0; d < D; d++)
        store<i8>(head + kOffsetQs8(tokenOf(rows, m), d, D), quantize(source(x, m, stride, g, D, d), scale == 0 ? 1 : scale));
    }
  }
}

export function append_v_qd8(x: usize, cache: usize, rows: usize, stride: i32, Hkv: i32, D: i32, begin: i32, end: i32): void {
  for (let m = begin; m < end; m++) {
    for (let g = 0; g < Hkv; g++) {
      const head = headAt(cache, rows, m, Hkv, g, headBytesQd8(D));
      const scale = dynamicScale(x, m, stride, g, D);
      store<f32>(head + scaleOffsetQd8(tokenOf(rows, m), D), scale);
      for (let d = 0; d < D; d++)
        store<i8>(head + vOffsetQs8(tokenOf(rows, m), d), quantize(source(x, m, stride, g, D, d), scale == 0 ? 1 : scale));
    }
  }
}
