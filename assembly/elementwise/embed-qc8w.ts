/**
 * Embedding of tokens from a packed int8 table (layout.ts, qc8w): y[m,k] = scale[id] * q[id,k], id = ids[m].
 *
 *   ids  i32[M]   0 <= id < V, which the caller has checked
 *   y    f32[M, E]
 *
 * The table is packed because a tied one is also the head. A token is one channel: four bytes of every 32.
 * Preconditions: E % 4 == 0. Whole.
 */
import { NR, panelBytesQc8w, weightsOffsetQc8w } from "../layouts/layout";

export function embed_qc8w(ids: usize, table: usize, y: usize, M: i32, V: i32, E: i32): void {
  for (let m = 0; m < M; m++) {
    const id = load<i32>(ids + ((<usize>m) << 2));
    const panel = table + <usize>(id / NR) * panelBytesQc8w(E);
    const channel = (<usize>(id % NR)) << 2;
    const scale = v128.load32_splat(panel + channel);
    let p = panel + weightsOffsetQc8w(E) + channel;
    for (const end = y + ((<usize>E) << 2); y < end; y += 16) {
      const q = i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(v128.load32_zero(p)));
      v128.store(y, f32x4.mul(f32x4.convert_i32x4_s(q), scale));
      p += NR << 2;
    }
  }
}
