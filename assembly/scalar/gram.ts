/** Twin of `../gram.ts`: the same tiles, so that the entries which mean nothing are the same too. */
export function gram_f64_f32(x: usize, gram: usize, M: i32, K: i32, begin: i32, end: i32): void {
  for (let first = 0; first < M; first += 256) {
    const last = min(M, first + 256);
    for (let i = 0; i < K; i++) {
      const tile = i >> 2;
      const pair = tile < K >> 3 ? tile : (K >> 2) - 1 - tile;
      if (pair < begin || pair >= end) continue;
      for (let j = i & ~7; j < K; j++) {
        let sum: f32 = 0;
        for (let m = first; m < last; m++) {
          sum += load<f32>(x + ((<usize>(m * K + i)) << 2)) * load<f32>(x + ((<usize>(m * K + j)) << 2));
        }
        const out = gram + ((<usize>(i * K + j)) << 3);
        store<f64>(out, load<f64>(out) + <f64>sum);
      }
    }
  }
}
