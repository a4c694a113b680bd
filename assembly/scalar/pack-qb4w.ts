// Twin of ../pack-qb4w.ts: one weight at a time, addressed as the drawing in ../layout.ts says.
import { groupBytesQb4w, KR, NR, panelBytesQb4w } from "../layouts/layout";

/**
 * Adds u to the nibble of channel c and k (within its group) of a group's 16-byte blocks, whose bytes start
 * at 0.
 */
function storeNibble(blocks: usize, c: i32, k: i32, u: i32): void {
  const byte = blocks + <usize>((k / KR) * 16 + (c % 4) * KR + (k % KR));
  store<u8>(byte, load<u8>(byte) | (u << (c < 4 ? 0 : 4)));
}

export function pack_qb4w(source: usize, scales: usize, packed: usize, rowBegin: i32, rows: i32, N: i32, K: i32, G: i32): void {
  const groups = K / G;
  for (let first = 0; first < rows; first += NR) {
    const panel = packed + <usize>((rowBegin + first) / NR) * panelBytesQb4w(K, G);
    for (let g = 0; g < groups; g++) {
      const group = panel + <usize>g * groupBytesQb4w(G);
      const blocks = group + <usize>NR * 4;
      for (let i: usize = 0; i < (<usize>G * NR) / 2; i++) store<u8>(blocks + i, 0);
      for (let c = 0; c < NR; c++) {
        const row = first + c;
        const exists = row < rows;
        store<f32>(group + <usize>c * 4, exists ? load<f32>(scales + <usize>(row * groups + g) * 4) : 0);
        for (let k = 0; k < G; k++) {
          const element = <usize>row * K + g * G + k;
          const word = exists ? load<u32>(source + (element / 8) * 4) : 0x88888888;
          storeNibble(blocks, c, k, (word >> (4 * (<u32>element % 8))) & 15);
        }
      }
    }
  }
}
