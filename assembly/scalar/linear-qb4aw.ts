// Twin of pack-qb4aw.ts, gemm-qd8-f32-qb4aw.ts and gemv-qd8-f32-qb4aw.ts in ../linear/kept/: one weight or
// output at a time, addressed as the drawing in ../layouts/layout-kept.ts says.
import { NR } from "../layouts/layout";
import { BLOCKS_OFFSET_QB4AW, groupBytesQb4aw, MINIMA_OFFSET_QB4AW, panelBytesQb4aw } from "../layouts/layout-kept";
import { dotGroup } from "./linear-qd8-f32-qb4w";
import { sourceNibble, storeNibble } from "./nibbles";
import { storeOutput } from "./store-output";

/** A finite binary16 as its definition has it: every step is exact. */
function loadHalf(at: usize): f32 {
  const bits = <i32>load<u16>(at);
  const exponent = (bits >> 10) & 31;
  const significand = (bits & 1023) + (exponent == 0 ? 0 : 1024);
  // 2^(exponent - 25) as the exponent field of an f32; subnormals have the exponent 1 and no leading 1.
  const unit = reinterpret<f32>((max(exponent, 1) + 102) << 23);
  const magnitude = <f32>significand * unit;
  return bits >> 15 ? -magnitude : magnitude;
}

export function pack_qb4aw(source: usize, halves: usize, packed: usize, rowBegin: i32, rows: i32, N: i32, K: i32, G: i32): void {
  const groups = K / G;
  const end = ((rows + NR - 1) / NR) * NR;
  for (let row = 0; row < end; row++) {
    const n = rowBegin + row;
    const c = n % NR;
    const exists = row < rows;
    for (let g = 0; g < groups; g++) {
      const group = packed + <usize>(n / NR) * panelBytesQb4aw(K, G) + <usize>g * groupBytesQb4aw(G);
      const pair = halves + <usize>(row * groups + g) * 4;
      store<u16>(group + <usize>c * 2, exists ? load<u16>(pair) : 0);
      store<u16>(group + MINIMA_OFFSET_QB4AW + <usize>c * 2, exists ? load<u16>(pair + 2) : 0);
      for (let k = 0; k < G; k++) {
        storeNibble(group + BLOCKS_OFFSET_QB4AW, c, k, exists ? sourceNibble(source, <usize>row * K + g * G + k) : 0);
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
        const group = w + <usize>(n / NR) * panelBytesQb4aw(K, G) + <usize>g * groupBytesQb4aw(G);
        const row = q + <usize>(m * K + g * G);
        const dot = dotGroup(row, group + BLOCKS_OFFSET_QB4AW, c, 0, G, false);
        const total = load<i32>(sums + <usize>(m * groups + g) * 4) / -8;
        const scaled: f32 = <f32>dot * loadHalf(group + <usize>c * 2);
        const least: f32 = <f32>total * loadHalf(group + MINIMA_OFFSET_QB4AW + <usize>c * 2);
        sum += scaled + least;
      }
      storeOutput(y, m, n, N, sum, scales, bias);
    }
  }
}

export function gemm_qd8_f32_qb4aw_x8c4(
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

export function gemv_qd8_f32_qb4aw_1x8c4(
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
