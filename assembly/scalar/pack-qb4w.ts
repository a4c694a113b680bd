// Twin of ../pack-qb4w.ts: one weight at a time, addressed as the drawing in ../layout.ts says.
import { groupBytesQb4w, NR, panelBytesQb4w } from "../layouts/layout";
import { sourceNibble, storeNibble } from "./nibbles";

export function pack_qb4w(source: usize, scales: usize, packed: usize, rowBegin: i32, rows: i32, N: i32, K: i32, G: i32): void {
  const groups = K / G;
  for (let first = 0; first < rows; first += NR) {
    const panel = packed + <usize>((rowBegin + first) / NR) * panelBytesQb4w(K, G);
    for (let g = 0; g < groups; g++) {
      const group = panel + <usize>g * groupBytesQb4w(G);
      const blocks = group + <usize>NR * 4;
      for (let c = 0; c < NR; c++) {
        const row = first + c;
        const exists = row < rows;
        store<f32>(group + <usize>c * 4, exists ? load<f32>(scales + <usize>(row * groups + g) * 4) : 0);
        for (let k = 0; k < G; k++) {
          storeNibble(blocks, c, k, exists ? sourceNibble(source, <usize>row * K + g * G + k) : 8);
        }
      }
    }
  }
}
