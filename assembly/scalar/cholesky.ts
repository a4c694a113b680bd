/** Twin of `../cholesky.ts`, but for what lies below the diagonal. */
export function cholesky_f64(a: usize, K: i32, stride: i32): i32 {
  for (let i = 0; i < K; i++) {
    for (let j = i; j < K; j++) {
      const at = a + ((<usize>(i * stride + j)) << 3);
      let value = load<f64>(at);
      for (let k = 0; k < i; k++) {
        value -= load<f64>(a + ((<usize>(k * stride + i)) << 3)) * load<f64>(a + ((<usize>(k * stride + j)) << 3));
      }
      if (j > i) {
        store<f64>(at, value / load<f64>(a + ((<usize>(i * stride + i)) << 3)));
        continue;
      }
      if (!(value > 0 && value < Infinity)) return i;
      store<f64>(at, sqrt<f64>(value));
    }
  }
  return -1;
}
