// Twin of ../quantize-activations.ts: one element at a time.

/** min and max written so that NaN reaches the conversion, which makes it 0. */
@inline
export function quantize(x: f32, scale: f32): i32 {
  let rounded = nearest<f32>(x / scale);
  if (rounded > 127) rounded = 127;
  if (rounded < -128) rounded = -128;
  return <i32>rounded;
}

export function quantizeRow(x: usize, q: usize, sums: usize, K: i32, G: i32, scale: f32): void {
  for (let g: usize = 0; g < <usize>(K / G); g++) {
    let sum = 0;
    for (let k = g * G; k < (g + 1) * G; k++) {
      const value = quantize(load<f32>(x + (k << 2)), scale);
      store<i8>(q + k, value);
      sum += value;
    }
    store<i32>(sums + (g << 2), -8 * sum);
  }
}

export function absmaxRow(x: usize, K: i32): f32 {
  let absmax: f32 = 0;
  for (let k: usize = 0; k < <usize>K; k++) {
    const magnitude = abs<f32>(load<f32>(x + (k << 2)));
    if (absmax < magnitude) absmax = magnitude;
  }
  return absmax;
}

export function quantize_f32_qd8(x: usize, q: usize, scales: usize, sums: usize, K: i32, G: i32, begin: i32, end: i32): void {
  for (let m = <usize>begin; m < <usize>end; m++) {
    const row = x + ((m * K) << 2);
    const scale: f32 = absmaxRow(row, K) / 127;
    store<f32>(scales + (m << 2), scale);
    quantizeRow(row, q + m * K, sums + ((m * <usize>(K / G)) << 2), K, G, scale == 0 ? 1 : scale);
  }
}

export function quantize_f32_qs8(
  x: usize,
  q: usize,
  scales: usize,
  sums: usize,
  K: i32,
  G: i32,
  scale: f32,
  begin: i32,
  end: i32,
): void {
  for (let m = <usize>begin; m < <usize>end; m++) {
    store<f32>(scales + (m << 2), scale);
    quantizeRow(x + ((m * K) << 2), q + m * K, sums + ((m * <usize>(K / G)) << 2), K, G, scale);
  }
}

/** Twin of the rounding to 14 bits. */
@inline
export function quantize14(x: f32, scale: f32): i32 {
  let rounded = nearest<f32>(x / scale);
  if (rounded > 8191) rounded = 8191;
  if (rounded < -8191) rounded = -8191;
  return <i32>rounded;
}

export function quantize_f32_qd14(x: usize, q: usize, scales: usize, K: i32, begin: i32, end: i32): void {
  for (let m = <usize>begin; m < <usize>end; m++) {
    const row = x + ((m * K) << 2);
    const scale: f32 = absmaxRow(row, K) / 8191;
    store<f32>(scales + (m << 2), scale);
    for (let k: usize = 0; k < <usize>K; k++) {
      store<i16>(q + ((m * K + k) << 1), quantize14(load<f32>(row + (k << 2)), scale == 0 ? 1 : scale));
    }
  }
}
