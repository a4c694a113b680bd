// Twin of ../gemm-qd8-f32-qc8w.ts and ../gemv-qd8-f32-qc8w.ts: one output at a time, from the same packed bytes.
import { KR, NR, panelBytesQc8w } from "../layout";

function dotChannel(q: usize, panel: usize, c: i32, K: i32): i32 {
  let dot = 0;
  for (let k = 0; k < K; k++) {
    const weight = load<i8>(panel + <usize>(NR * 4 + (k / KR) * (NR * KR) + c * KR + (k % KR)));
    dot += <i32>load<i8>(q + <usize>k) * <i32>weight;
  }
  return dot;
}

export function gemm_qd8_f32_qc8w_x8c4(
  q: usize,
  scales: usize,
  w: usize,
  bias: usize,
  y: usize,
  M: i32,
  N: i32,
  K: i32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  for (let m = 0; m < M; m++) {
    for (let n = begin * NR; n < min(end * NR, N); n++) {
      const panel = w + <usize>(n / NR) * panelBytesQc8w(K);
      const dot = dotChannel(q + <usize>m * K, panel, n % NR, K);
      const sum: f32 = <f32>0 + <f32>dot * load<f32>(panel + <usize>(n % NR) * 4);
      let value: f32 = sum * load<f32>(scales + <usize>m * 4);
      if (bias != 0) value += load<f32>(bias + <usize>n * 4);
      store<f32>(y + <usize>(m * N + n) * 4, value);
    }
  }
}

export function gemv_qd8_f32_qc8w_1x8c4(
  q: usize,
  scales: usize,
  w: usize,
  bias: usize,
  y: usize,
  N: i32,
  K: i32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  gemm_qd8_f32_qc8w_x8c4(q, scales, w, bias, y, 1, N, K, begin, end, scratch);
}
