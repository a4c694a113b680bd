/** Twin of `../elementwise/hadamard.ts`. */
export function hadamard_f32(x: usize, y: usize, K: i32, size: i32, scale: f32, begin: i32, end: i32): void {
  for (let i = begin * K; i < end * K; i++) {
    const at = (<usize>i) << 2;
    store<f32>(y + at, load<f32>(x + at) * scale);
  }
  for (let apart = 1; apart < size; apart *= 2) {
    for (let i = begin * K; i < end * K; i++) {
      if (((i % K) & apart) != 0) continue;
      const low = y + ((<usize>i) << 2);
      const high = y + ((<usize>(i + apart)) << 2);
      const u = load<f32>(low);
      const v = load<f32>(high);
      store<f32>(low, u + v);
      store<f32>(high, u - v);
    }
  }
}
