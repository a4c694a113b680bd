// Twin of pack-qb4mw.ts, gemm-qd8-f32-qb4mw.ts and gemv-qd8-f32-qb4mw.ts in ../linear/kept/: one weight
// or output at a time, addressed as the drawing in ../layouts/layout-kept.ts says.
import { NR } from "../layouts/layout";
import {
  blockBytesQb4mw,
  GROUP_BYTES_QB4MW,
  GROUP_QB4MW,
  groupsOffsetQb4mw,
  MINIMA_OFFSET,
  panelBytesQb4mw,
  scalesOffsetQb4mw,
} from "../layouts/layout-kept";
import { loadNibble, sourceNibble, storeNibble } from "./nibbles";
import { storeOutput } from "./store-output";

function minimumAt(block: usize, c: i32, g: i32): usize {
  return block + MINIMA_OFFSET + <usize>((g / 2) * 16 + c * 2 + (g % 2));
}

function scaleAt(block: usize, B: i32, c: i32, g: i32): usize {
  return block + scalesOffsetQb4mw(B) + <usize>(g * 8 + c);
}

export function pack_qb4mw(
  source: usize,
  scales: usize,
  minima: usize,
  multipliers: usize,
  packed: usize,
  rowBegin: i32,
  rows: i32,
  N: i32,
  K: i32,
  B: i32,
): void {
  const groups = B / GROUP_QB4MW;
  const end = ((rows + NR - 1) / NR) * NR;
  for (let row = 0; row < end; row++) {
    const n = rowBegin + row;
    const c = n % NR;
    const exists = row < rows;
    for (let b = 0; b < K / B; b++) {
      const block = packed + <usize>(n / NR) * panelBytesQb4mw(K, B) + <usize>b * blockBytesQb4mw(B);
      const pair = multipliers + <usize>(row * (K / B) + b) * 8;
      store<f32>(block + <usize>c * 4, exists ? load<f32>(pair) : 0);
      store<f32>(block + <usize>(32 + c * 4), exists ? load<f32>(pair + 4) : 0);
      // One more where the last group has no partner.
      for (let g = 0; g < groups + (groups % 2); g++) {
        const from = <usize>(row * (K / GROUP_QB4MW) + b * groups + g);
        const given = exists && g < groups;
        store<u8>(minimumAt(block, c, g), given ? load<u8>(minima + from) : 0);
        store<u8>(scaleAt(block, B, c, g), given ? load<u8>(scales + from) : 0);
      }
      for (let k = 0; k < B; k++) {
        const group = block + groupsOffsetQb4mw(B) + <usize>(k / GROUP_QB4MW) * GROUP_BYTES_QB4MW;
        const u = exists ? sourceNibble(source, <usize>row * K + b * B + k) : 0;
        storeNibble(group, c, k % GROUP_QB4MW, u);
      }
    }
  }
}

function multiply(
  q: usize,
  scales: usize,
  sums: usize,
  w: usize,
  bias: usize,
  y: usize,
  M: i32,
  N: i32,
  K: i32,
  B: i32,
  begin: i32,
  end: i32,
): void {
  const groups = K / GROUP_QB4MW;
  for (let m = 0; m < M; m++) {
    for (let n = begin * NR; n < min(end * NR, N); n++) {
      const c = n % NR;
      let sum: f32 = 0;
      for (let b = 0; b < K / B; b++) {
        const block = w + <usize>(n / NR) * panelBytesQb4mw(K, B) + <usize>b * blockBytesQb4mw(B);
        let scaled = 0;
        let minima = 0;
        for (let g = 0; g < B / GROUP_QB4MW; g++) {
          const first = b * B + g * GROUP_QB4MW;
          const blocks = block + groupsOffsetQb4mw(B) + <usize>g * GROUP_BYTES_QB4MW;
          let dot = 0;
          for (let k = 0; k < GROUP_QB4MW; k++) {
            dot += <i32>load<i8>(q + <usize>(m * K + first + k)) * loadNibble(blocks, c, k);
          }
          scaled += dot * <i32>load<u8>(scaleAt(block, B, c, g));
          const sum8 = load<i32>(sums + <usize>(m * groups + first / GROUP_QB4MW) * 4);
          minima += (sum8 / -8) * <i32>load<u8>(minimumAt(block, c, g));
        }
        sum += <f32>scaled * load<f32>(block + <usize>c * 4);
        sum -= <f32>minima * load<f32>(block + <usize>(32 + c * 4));
      }
      storeOutput(y, m, n, N, sum, scales, bias);
    }
  }
}

export function gemm_qd8_f32_qb4mw_x8c4(
  q: usize,
  scales: usize,
  sums: usize,
  w: usize,
  bias: usize,
  y: usize,
  M: i32,
  N: i32,
  K: i32,
  B: i32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  multiply(q, scales, sums, w, bias, y, M, N, K, B, begin, end);
}

export function gemv_qd8_f32_qb4mw_1x8c4(
  q: usize,
  scales: usize,
  sums: usize,
  w: usize,
  bias: usize,
  y: usize,
  N: i32,
  K: i32,
  B: i32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  multiply(q, scales, sums, w, bias, y, 1, N, K, B, begin, end);
}
