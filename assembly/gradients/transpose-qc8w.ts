/**
 * A packed 8-bit matrix as the transposed matrix of floats: what the gradient of a linear layer's input is
 * multiplied by.
 *
 *   transposed[k, n] = f32(q[n,k]) * scale[n]        one rounding
 *
 *   w           qc8w panels of [N, K] (layout.ts)
 *   transposed  f32w panels of [K, N]
 *
 * Preconditions: K a multiple of 8. Reads and writes nothing outside the shapes. Units: panels of w. As in
 * transpose-qb4w.ts four k of one channel are one word, and lie together in the transposed panel.
 */
import { NR, panelBytesF32w, panelBytesQc8w, weightsOffsetQc8w } from "../layouts/layout";

export function transpose_qc8w_f32w(w: usize, transposed: usize, N: i32, K: i32, begin: i32, end: i32): void {
  for (let p = begin; p < end; p++) {
    const panel = w + <usize>p * panelBytesQc8w(K);
    const weights = panel + weightsOffsetQc8w(K);
    const channels = min(N - p * NR, NR);
    for (let k = 0; k < K; k += 4) {
      const block = weights + <usize>(k * NR);
      let out = transposed + <usize>(k / NR) * panelBytesF32w(N) + ((<usize>(p * NR * NR + (k & 4))) << 2);
      for (let c = 0; c < channels; c++) {
        const bytes = v128.load32_zero(block + ((<usize>c) << 2));
        const q = i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(bytes));
        v128.store(out, f32x4.mul(f32x4.convert_i32x4_s(q), v128.load32_splat(panel + ((<usize>c) << 2))));
        out += NR << 2;
      }
    }
  }
}
