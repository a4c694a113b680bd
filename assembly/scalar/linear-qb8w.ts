// Twin of pack-qb8w.ts, gemm-qd8-f32-qb8w.ts and gemv-qd8-f32-qb8w.ts in ../linear/kept/: one weight
// or output at a time, addressed as the drawing in ../layouts/layout-kept.ts says.
import { KR, NR } from "../layouts/layout";
import { groupBytesQb8w, panelBytesQb8w } from "../layouts/layout-kept";
import { storeOutput } from "./store-output";

/** Where the weight of channel c and k (within its group) of a group lies. */
function weightAt(group: usize, c: i32, k: i32): usize {
  return group + NR * 4 + <usize>((k / KR) * (NR * KR) + c * KR + (k % KR));
}

export function pack_qb8w(source: usize, scales: usize, packed: usize, rowBegin: i32, rows: i32, N: i32, K: i32, G: i32): void {
  const groups = K / G;
  const end = ((rows + NR - 1) / NR) * NR;
  for (let row = 0; row < end; row++) {
    const n = rowBegin + row;
    for (let g = 0; g < groups; g++) {
      const group = packed + <usize>(n / NR) * panelBytesQb8w(K, G) + <usize>g * groupBytesQb8w(G);
      store<f32>(group + <usize>(n % NR) * 4, row < rows ? load<f32>(scales + <usize>(row * groups + g) * 4) : 0);
      for (let k = 0; k < G; k++) {
        const code = row < rows ? load<u8>(source + <usize>(row * K + g * G + k)) : 128;
        store<i8>(weightAt(group, n % NR, k), <i8>(<i32>code - 128));
      }
    }
  }
}

function multiply(
  q: usize,
  scales: usize,
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
  for (let m = 0; m < M; m++) {
    for (let n = begin * NR; n < min(end * NR, N); n++) {
      let sum: f32 = 0;
      for (let g = 0; g < K / G; g++) {
        const group = w + <usize>(n / NR) * panelBytesQb8w(K, G) + <usize>g * groupBytesQb8w(G);
        let dot = 0;
        for (let k = 0; k < G; k++) {
          dot += <i32>load<i8>(q + <usize>(m * K + g * G + k)) * <i32>load<i8>(weightAt(group, n % NR, k));
        }
        sum += <f32>dot * load<f32>(group + <usize>(n % NR) * 4);
      }
      storeOutput(y, m, n, N, sum, scales, bias);
    }
  }
}

export function gemm_qd8_f32_qb8w_x8c4(
  q: usize,
  scales: usize,
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
  multiply(q, scales, w, bias, y, M, N, K, G, begin, end);
}

export function gemv_qd8_f32_qb8w_1x8c4(
  q: usize,
  scales: usize,
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
  multiply(q, scales, w, bias, y, 1, N, K, G, begin, end);
}
