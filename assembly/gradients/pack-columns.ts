/**
 * Packs the columns of a float matrix into panels of eight (layout.ts, f32w of the transposed matrix). A pure
 * reordering.
 *
 *   source  f32[M, K]
 *   packed  f32w panels of [K, M]; what is missing of the last panel is filled up with zeros
 *
 * Reads and writes nothing outside the shapes. Units: panels of eight columns.
 * Scalar: bound by memory. The scalar build exports this same function.
 */
import { NR, panelBytesF32w } from "../layouts/layout";

export function pack_columns_f32w(source: usize, packed: usize, M: i32, K: i32, begin: i32, end: i32): void {
  for (let p = begin; p < end; p++) {
    let out = packed + <usize>p * panelBytesF32w(M);
    for (let m = 0; m < M; m++) {
      const row = source + ((<usize>m * K) << 2);
      for (let k = p * NR; k < (p + 1) * NR; k++) {
        store<f32>(out, k < K ? load<f32>(row + ((<usize>k) << 2)) : 0);
        out += 4;
      }
    }
  }
}
