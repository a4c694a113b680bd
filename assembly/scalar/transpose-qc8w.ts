// Twin of ../transpose-qc8w.ts: one weight at a time, addressed as the drawings in ../layout.ts say.
import { NR, panelBytesF32w, panelBytesQc8w, weightsOffsetQc8w } from "../layouts/layout";

export function transpose_qc8w_f32w(w: usize, transposed: usize, N: i32, K: i32, begin: i32, end: i32): void {
  for (let n = begin * NR; n < min(end * NR, N); n++) {
    const c = n % NR;
    const panel = w + <usize>(n / NR) * panelBytesQc8w(K);
    for (let k = 0; k < K; k++) {
      const q = load<i8>(panel + weightsOffsetQc8w(K) + <usize>((k / 4) * 4 * NR + 4 * c + (k % 4)));
      const value = <f32>q * load<f32>(panel + <usize>c * 4);
      store<f32>(transposed + <usize>(k / NR) * panelBytesF32w(N) + <usize>(n * NR + (k % NR)) * 4, value);
    }
  }
}
