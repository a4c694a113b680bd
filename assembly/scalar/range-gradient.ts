// Twin of ../range-gradient.ts.

function clamp(r: f32): f32 {
  return r > 127 ? 127 : r < -128 ? -128 : r;
}

export function round_range_f32(x: usize, y: usize, K: i32, stride: i32, scale: f32, begin: i32, end: i32): void {
  for (let m = begin; m < end; m++) {
    for (let k = 0; k < K; k++) {
      const at = <usize>(m * stride + k) * 4;
      store<f32>(y + at, clamp(nearest<f32>(load<f32>(x + at) / scale)) * scale);
    }
  }
}

function lane(x: usize, dx: usize, K: i32, scale: f32, i: i32): f64 {
  let sum: f64 = 0;
  for (let k = i; k < K; k += 4) {
    const at = (<usize>k) << 2;
    const u: f32 = load<f32>(x + at) / scale;
    const r = nearest<f32>(u);
    const c = clamp(r);
    const d = load<f32>(dx + at);
    const slope: f32 = c == r ? r - u : c;
    sum += <f64>d * <f64>slope;
    if (c != r) store<f32>(dx + at, 0);
  }
  return sum;
}

export function range_gradient_f32(
  x: usize,
  dx: usize,
  sums: usize,
  K: i32,
  stride: i32,
  scale: f32,
  begin: i32,
  end: i32,
): void {
  for (let m = begin; m < end; m++) {
    const row = <usize>(m * stride) * 4;
    const low = lane(x + row, dx + row, K, scale, 0) + lane(x + row, dx + row, K, scale, 1);
    const high = lane(x + row, dx + row, K, scale, 2) + lane(x + row, dx + row, K, scale, 3);
    store<f64>(sums + <usize>m * 8, (low + high) * <f64>scale);
  }
}
