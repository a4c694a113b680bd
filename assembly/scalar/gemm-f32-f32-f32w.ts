/** Twin of `../gemm-f32-f32-f32w.ts`: each output alone, k ascending. */
import { NR, panelBytesF32w } from "../layouts/layout";

export function gemm_f32_f32_f32w_4x8c1(
  x: usize,
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
      const panel = w + <usize>(n / NR) * panelBytesF32w(K);
      let sum: f32 = 0;
      for (let k = 0; k < K; k++) {
        sum += load<f32>(x + ((<usize>(m * K + k)) << 2)) * load<f32>(panel + ((<usize>(k * NR + (n % NR))) << 2));
      }
      if (bias != 0) sum += load<f32>(bias + ((<usize>n) << 2));
      store<f32>(y + ((<usize>(m * N + n)) << 2), sum);
    }
  }
}
