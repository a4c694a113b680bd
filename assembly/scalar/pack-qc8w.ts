// Twin of ../pack-qc8w.ts: one weight at a time, addressed as the drawing in ../layout.ts says.
import { KR, NR, panelBytesQc8w } from "../layout";

export function pack_qc8w(source: usize, scales: usize, packed: usize, rowBegin: i32, rows: i32, N: i32, K: i32): void {
  for (let first = 0; first < rows; first += NR) {
    const panel = packed + <usize>((rowBegin + first) / NR) * panelBytesQc8w(K);
    for (let c = 0; c < NR; c++) {
      const row = first + c;
      const exists = row < rows;
      store<f32>(panel + <usize>c * 4, exists ? load<f32>(scales + <usize>row * 4) : 0);
      for (let k = 0; k < K; k++) {
        const q = exists ? <i32>load<u8>(source + <usize>row * K + k) - 128 : 0;
        store<i8>(panel + <usize>(NR * 4 + (k / KR) * (NR * KR) + c * KR + (k % KR)), q);
      }
    }
  }
}
