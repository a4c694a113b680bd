// Twin of pack-qb4zw.ts, gemm-qd8-f32-qb4zw.ts and gemv-qd8-f32-qb4zw.ts in ../linear/kept/: one weight
// or output at a time, addressed as the drawing in ../layouts/layout-kept.ts says.
import { NR } from "../layouts/layout";
import { groupBytesQb4zw, panelBytesQb4zw, ZEROS_OFFSET } from "../layouts/layout-kept";
import { dotGroup } from "./linear-qd8-f32-qb4w";
import { sourceNibble, storeNibble } from "./nibbles";
import { storeOutput } from "./store-output";

/** Where the nibbles of a group begin. */
const BLOCKS_OFFSET: usize = 48;

export function pack_qb4zw(
  source: usize,
  scales: usize,
  zeros: usize,
  packed: usize,
  rowBegin: i32,
  rows: i32,
  N: i32,
  K: i32,
  G: i32,
): void {
  const groups = K / G;
  const end = ((rows + NR - 1) / NR) * NR;
  for (let row = 0; row < end; row++) {
    const n = rowBegin + row;
    const c = n % NR;
    for (let g = 0; g < groups; g++) {
      const group = packed + <usize>(n / NR) * panelBytesQb4zw(K, G) + <usize>g * groupBytesQb4zw(G);
      const exists = row < rows;
      store<f32>(group + <usize>c * 4, exists ? load<f32>(scales + <usize>(row * groups + g) * 4) : 0);
      store<i16>(group + ZEROS_OFFSET + <usize>c * 2, exists ? <i16>load<u8>(zeros + <usize>(row * groups + g)) : 0);
      for (let k = 0; k < G; k++) {
        storeNibble(group + BLOCKS_OFFSET, c, k, exists ? sourceNibble(source, <usize>row * K + g * G + k) : 0);
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
  G: i32,
  begin: i32,
  end: i32,
): void {
  const groups = K / G;
  for (let m = 0; m < M; m++) {
    for (let n = begin * NR; n < min(end * NR, N); n++) {
      const c = n % NR;
      let sum: f32 = 0;
      for (let g = 0; g < groups; g++) {
        const group = w + <usize>(n / NR) * panelBytesQb4zw(K, G) + <usize>g * groupBytesQb4zw(G);
        const zero = <i32>load<i16>(group + ZEROS_OFFSET + <usize>c * 2);
        const start = (load<i32>(sums + <usize>(m * groups + g) * 4) / 8) * zero;
        const dot = dotGroup(q + <usize>(m * K + g * G), group + BLOCKS_OFFSET, c, start, G, false);
        sum += <f32>dot * load<f32>(group + <usize>c * 4);
      }
      storeOutput(y, m, n, N, sum, scales, bias);
    }
  }
}

export function gemm_qd8_f32_qb4zw_x8c4(
  q: usize,
  scales: usize,
  sums: usize,
  w: usize,
  bias: usize,
  y: usize,
  M: i32,
  N: i32,
  K: i32,
  G: i32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  multiply(q, scales, sums, w, bias, y, M, N, K, G, begin, end);
}

export function gemv_qd8_f32_qb4zw_1x8c4(
  q: usize,
  scales: usize,
  sums: usize,
  w: usize,
  bias: usize,
  y: usize,
  N: i32,
  K: i32,
  G: i32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  multiply(q, scales, sums, w, bias, y, 1, N, K, G, begin, end);
}
