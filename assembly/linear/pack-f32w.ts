/**
 * Packs rows of a float matrix into panels (layout.ts, f32w). A pure reordering.
 *
 *   source  f32[rows, K]   channels rowBegin.. of an [N, K] matrix
 *   packed  the whole packed matrix; panels rowBegin / 8 .. are written
 *
 * Preconditions: rowBegin % 8 == 0, and rows % 8 == 0 unless these are the last channels, whose panel is then
 * filled up with zeros. Scalar: loading is bound by memory. The scalar build exports this same function.
 */
import { NR, panelBytesF32w } from "../layouts/layout";

/** Units: panels of the rows given, all of them. */
export function pack_f32w(source: usize, packed: usize, rowBegin: i32, rows: i32, N: i32, K: i32): void {
  let panel = packed + <usize>(rowBegin / NR) * panelBytesF32w(K);
  for (let n = 0; n < rows; n += NR) {
    for (let c = 0; c < NR; c++) {
      const row = source + ((<usize>(n + c) * <usize>K) << 2);
      for (let k = 0; k < K; k++) {
        const value: f32 = n + c < rows ? load<f32>(row + ((<usize>k) << 2)) : 0;
        store<f32>(panel + ((<usize>(k * NR + c)) << 2), value);
      }
    }
    panel += panelBytesF32w(K);
  }
}
