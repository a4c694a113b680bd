// Twin of pack-qb8aw.ts, gemm-qd8-f32-qb8aw.ts and gemv-qd8-f32-qb8aw.ts in ../linear/kept/: one weight or
// output at a time, addressed as the drawing in ../layouts/layout-kept.ts says.
import { KR, NR } from "../layouts/layout";
import { BLOCKS_OFFSET_QB8AW, groupBytesQb8aw, MINIMA_OFFSET_QB8AW, panelBytesQb8aw } from "../layouts/layout-kept";
import { storeOutput } from "./store-output";

/** Where the weight of channel c and k (within its group) of a group lies. */
function weightAt(group: usize, c: i32, k: i32): usize {
  return group + BLOCKS_OFFSET_QB8AW + <usize>((k / KR) * (NR * KR) + c * KR + (k % KR));
}

export function pack_qb8aw(source: usize, affine: usize, packed: usize, rowBegin: i32, rows: i32, N: i32, K: i32, G: i32): void {
  const groups = K / G;
  const end = ((rows + NR - 1) / NR) * NR;
  for (let row = 0; row < end; row++) {
    const n = rowBegin + row;
    const c = n % NR;
    const exists = row < rows;
    for (let g = 0; g < groups; g++) {
      const group = packed + <usize>(n / NR) * panelBytesQb8aw(K, G) + <usize>g * groupBytesQb8aw(G);
      const pair = affine + <usize>(row * groups + g) * 8;
      store<f32>(group + <usize>c * 4, exists ? load<f32>(pair) : 0);
      store<f32>(group + MINIMA_OFFSET_QB8AW + <usize>c * 4, exists ? load<f32>(pair + 4) : 0);
      for (let k = 0; k < G; k++) {
        const u = exists ? <i32>load<u8>(source + <usize>(row * K + g * G + k)) : 128;
        store<i8>(weightAt(group, c, k), <i8>(u - 128));
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
        const group = w + <usize>(n / NR) * panelBytesQb8aw(K, G) + <usize>g * groupBytesQb8aw(G);
        const row = q + <usize>(m * K + g * G);
        let dot = 0;
        for (let k = 0; k < G; k++) {
          dot += <i32>load<i8>(row + <usize>k) * (<i32>load<i8>(weightAt(group, c, k)) + 128);
        }
        const total = load<i32>(sums + <usize>(m * groups + g) * 4) / -8;
        const scaled: f32 = <f32>dot * load<f32>(group + <usize>c * 4);
        const least: f32 = <f32>total * load<f32>(group + MINIMA_OFFSET_QB8AW + <usize>c * 4);
        sum += scaled + least;
      }
      storeOutput(y, m, n, N, sum, scales, bias);
    }
  }
}

export function gemm_qd8_f32_qb8aw_x8c4(
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

export function gemv_qd8_f32_qb8aw_1x8c4(
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
