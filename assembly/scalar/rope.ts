/** Twin of `../rope.ts`. */
export function rope_f32(x: usize, cos: usize, sin: usize, heads: i32, D: i32, stride: i32, begin: i32, end: i32): void {
  const half = D >> 1;
  for (let m = begin; m < end; m++) {
    for (let h = 0; h < heads; h++) {
      for (let i = 0; i < half; i++) {
        const first = x + ((<usize>(m * stride + h * D + i)) << 2);
        const second = first + ((<usize>half) << 2);
        const c = load<f32>(cos + ((<usize>(m * half + i)) << 2));
        const s = load<f32>(sin + ((<usize>(m * half + i)) << 2));
        const a = load<f32>(first);
        const b = load<f32>(second);
        store<f32>(first, a * c - b * s);
        store<f32>(second, b * c + a * s);
      }
    }
  }
}
