// Twin of ../gemm-qd8-f32-qb4w.ts and ../gemv-qd8-f32-qb4w.ts: one output at a time, from the same packed
// bytes.
import { groupBytesQb4w, NR, panelBytesQb4w } from "../layouts/layout";
import { loadNibble } from "./nibbles";
import { storeOutput } from "./store-output";

/** 12 + 2 * E2M1(code). */
function operandOf(code: i32): i32 {
  const magnitude = code & 7;
  // Below 2 one step of the code is a half; then the exponent doubles the steps.
  const doubled = magnitude < 4 ? magnitude : (4 + 2 * (magnitude & 1)) << ((magnitude - 4) >> 1);
  return code < 8 ? 12 + doubled : 12 - doubled;
}

/** The dot product of one row of activations with channel c of one group, from the group's 16-byte blocks. */
export function dotGroup(q: usize, blocks: usize, c: i32, start: i32, G: i32, e2m1: bool): i32 {
  let dot = start;
  for (let k = 0; k < G; k++) {
    const u = loadNibble(blocks, c, k);
    dot += <i32>load<i8>(q + <usize>k) * (e2m1 ? operandOf(u) : u);
  }
  return dot;
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
  scratch: usize,
  e2m1: bool,
): void {
  const groups = K / G;
  for (let m = 0; m < M; m++) {
    for (let n = begin * NR; n < min(end * NR, N); n++) {
      let sum: f32 = 0;
      for (let g = 0; g < groups; g++) {
        const group = w + <usize>(n / NR) * panelBytesQb4w(K, G) + <usize>g * groupBytesQb4w(G);
        const sum8 = load<i32>(sums + <usize>(m * groups + g) * 4);
        const start = e2m1 ? (sum8 / 2) * 3 : sum8;
        const dot = dotGroup(q + <usize>(m * K + g * G), group + NR * 4, n % NR, start, G, e2m1);
        sum += <f32>dot * load<f32>(group + <usize>(n % NR) * 4);
      }
      storeOutput(y, m, n, N, sum, scales, bias);
    }
  }
}

export function gemm_qd8_f32_qb4w_x8c4(
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
  multiply(q, scales, sums, w, bias, y, M, N, K, G, begin, end, scratch, false);
}

export function gemv_qd8_f32_qb4w_1x8c4(
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
  multiply(q, scales, sums, w, bias, y, 1, N, K, G, begin, end, scratch, false);
}

export function gemm_qd8_f32_qb4fw_x8c4(
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
  multiply(q, scales, sums, w, bias, y, M, N, K, G, begin, end, scratch, true);
}

export function gemv_qd8_f32_qb4fw_1x8c4(
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
  multiply(q, scales, sums, w, bias, y, 1, N, K, G, begin, end, scratch, true);
}
