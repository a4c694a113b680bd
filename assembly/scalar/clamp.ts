/** Twin of `../elementwise/clamp.ts`. */
export function clamp_f32(x: usize, K: i32, stride: i32, low: f32, high: f32, begin: i32, end: i32): void {
  for (let m = begin; m < end; m++) {
    for (let k = 0; k < K; k++) {
      const at = x + ((<usize>(m * stride + k)) << 2);
      store<f32>(at, max<f32>(low, min<f32>(high, load<f32>(at))));
    }
  }
}
