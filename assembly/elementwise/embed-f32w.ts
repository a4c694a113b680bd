/**
 * Embedding of tokens from a packed float table (layout.ts, f32w): y[m] = table[ids[m]].
 *
 *   ids  i32[M]   0 <= id < V, which the caller has checked
 *   y    f32[M, E]
 *
 * The table is packed because a tied one is also the head. A token is one channel: E floats, 32 bytes apart.
 * A gather has nothing for SIMD to do; the scalar build exports this same function. Whole.
 */
import { NR, panelBytesF32w } from "../layouts/layout";

export function embed_f32w(ids: usize, table: usize, y: usize, M: i32, V: i32, E: i32): void {
  for (let m = 0; m < M; m++) {
    const id = load<i32>(ids + ((<usize>m) << 2));
    let p = table + <usize>(id / NR) * panelBytesF32w(E) + ((<usize>(id % NR)) << 2);
    for (const end = y + ((<usize>E) << 2); y < end; y += 4) {
      store<f32>(y, load<f32>(p));
      p += NR << 2;
    }
  }
}
