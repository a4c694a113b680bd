// Twin of ../pack-qc8w.ts: one weight at a time, addressed as the drawing in ../layout.ts says.
import { CHANNEL_BLOCK, KR, NR, panelBytesQc8w, weightsOffsetQc8w } from "../layouts/layout";

export function pack_qc8w(source: usize, scales: usize, packed: usize, rowBegin: i32, rows: i32, N: i32, K: i32): void {
  for (let first = 0; first < rows; first += NR) {
    const panel = packed + <usize>((rowBegin + first) / NR) * panelBytesQc8w(K);
    for (let c = 0; c < NR; c++) {
      const row = first + c;
      const exists = row < rows;
      store<f32>(panel + <usize>c * 4, exists ? load<f32>(scales + <usize>row * 4) : 0);
      let sum = 0;
      for (let k = 0; k < K; k++) {
        if (k % CHANNEL_BLOCK == 0) sum = 0;
        const q = exists ? <i32>load<u8>(source + <usize>row * K + k) - 128 : 0;
        sum += q;
        store<i32>(panel + <usize>((1 + k / CHANNEL_BLOCK) * NR + c) * 4, -64 * sum);
        store<i8>(panel + weightsOffsetQc8w(K) + <usize>((k / KR) * (NR * KR) + c * KR + (k % KR)), q);
      }
    }
  }
}
