/** Twin of `../embed-qc8w.ts`. */
import { NR, panelBytesQc8w, weightsOffsetQc8w } from "../layouts/layout";

export function embed_qc8w(ids: usize, table: usize, y: usize, M: i32, V: i32, E: i32): void {
  for (let m = 0; m < M; m++) {
    const id = load<i32>(ids + ((<usize>m) << 2));
    const panel = table + <usize>(id / NR) * panelBytesQc8w(E);
    const c = id % NR;
    const scale = load<f32>(panel + ((<usize>c) << 2));
    for (let k = 0; k < E; k++) {
      const q = load<i8>(panel + weightsOffsetQc8w(E) + <usize>((k >> 2) * 32 + c * 4 + (k & 3)));
      store<f32>(y + ((<usize>(m * E + k)) << 2), <f32>q * scale);
    }
  }
}
