/**
 * A float matrix transposed: as it lies, or from panels to panels (layout.ts, f32w). Pure reorderings.
 *
 *   transpose_f32        f32[M, N] -> f32[N, M]                         units: rows of the first
 *   transpose_f32w_f32w  f32w panels of [N, K] -> panels of [K, N]      units: panels of the first
 *
 * What is missing of the last panel of [K, N] is filled up with zeros. Reads and writes nothing outside the
 * shapes. Scalar: bound by memory. The scalar build exports these same functions.
 */
import { NR, panelBytesF32w } from "../layouts/layout";

export function transpose_f32(source: usize, target: usize, M: i32, N: i32, begin: i32, end: i32): void {
  const column = (<usize>M) << 2;
  for (let m = begin; m < end; m++) {
    let from = source + ((<usize>m * N) << 2),
      to = target + ((<usize>m) << 2);
    for (let n = 0; n < N; n++, from += 4, to += column) store<f32>(to, load<f32>(from));
  }
}

export function transpose_f32w_f32w(w: usize, transposed: usize, N: i32, K: i32, begin: i32, end: i32): void {
  for (let p = begin; p < end; p++) {
    const panel = w + <usize>p * panelBytesF32w(K);
    const channels = min(N - p * NR, NR);
    const padded = (K + NR - 1) & -NR;
    for (let k = 0; k < padded; k++) {
      const from = panel + ((<usize>(k * NR)) << 2);
      let to = transposed + <usize>(k / NR) * panelBytesF32w(N) + ((<usize>(p * NR * NR + (k & (NR - 1)))) << 2);
      for (let c = 0; c < channels; c++, to += NR << 2) {
        store<f32>(to, k < K ? load<f32>(from + ((<usize>c) << 2)) : 0);
      }
    }
  }
}
