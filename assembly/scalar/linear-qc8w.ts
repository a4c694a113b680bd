// Twin of the GEMMs and GEMVs over 8-bit weights (../gemm-qc8w.ts, ../gemv-qc8w.ts): one output at a time,
// from the same packed bytes.
import { CHANNEL_BLOCK, KR, NR, panelBytesQc8w, weightsOffsetQc8w } from "../layouts/layout";
import { storeOutput } from "./store-output";

/** Sum over k of begin..end of a[k] * q[c, k]; T is the type of the activations. */
@inline
function dotBlock<T>(q: usize, weights: usize, c: i32, begin: i32, end: i32): i32 {
  let dot = 0;
  for (let k = begin; k < end; k++) {
    const weight = load<i8>(weights + <usize>((k / KR) * (NR * KR) + c * KR + (k % KR)));
    dot += <i32>load<T>(q + <usize>k * sizeof<T>()) * <i32>weight;
  }
  return dot;
}


@inline
function multiply<T>(
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
): void {
  for (let m = 0; m < M; m++) {
    const row = q + <usize>(m * K) * sizeof<T>();
    for (let n = begin * NR; n < min(end * NR, N); n++) {
      const c = n % NR;
      const panel = w + <usize>(n / NR) * panelBytesQc8w(K);
      let sum: f32 = 0;
      for (let k = 0; k < K; k += CHANNEL_BLOCK) {
        const dot = dotBlock<T>(row, panel + weightsOffsetQc8w(K), c, k, min(k + CHANNEL_BLOCK, K));
        sum += <f32>dot * load<f32>(panel + <usize>c * 4);
      }
      storeOutput(y, m, n, N, sum, scales, bias);
    }
  }
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
  multiply<i8>(q, scales, w, bias, y, M, N, K, begin, end);
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
  multiply<i8>(q, scales, w, bias, y, 1, N, K, begin, end);
}

export function gemm_qd14_f32_qc8w_x8c4(
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
  multiply<i16>(q, scales, w, bias, y, M, N, K, begin, end);
}

export function gemv_qd14_f32_qc8w_1x8c4(
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
  multiply<i16>(q, scales, w, bias, y, 1, N, K, begin, end);
}
