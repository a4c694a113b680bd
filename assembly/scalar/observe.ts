/** Twin of `../observe.ts`. */
export function observe_f32(x: usize, min: usize, max: usize, sumSquares: usize, M: i32, K: i32, stride: i32): void {
  for (let m = 0; m < M; m++) {
    for (let k = 0; k < K; k++) {
      const value = load<f32>(x + ((<usize>(m * stride + k)) << 2));
      const low = min + ((<usize>k) << 2);
      const high = max + ((<usize>k) << 2);
      const sum = sumSquares + ((<usize>k) << 3);
      if (value < load<f32>(low)) store<f32>(low, value);
      if (value > load<f32>(high)) store<f32>(high, value);
      store<f64>(sum, load<f64>(sum) + <f64>value * <f64>value);
    }
  }
}
