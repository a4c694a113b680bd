// Twin of ../rmsnorm-backward.ts.
import { reciprocalRms } from "./rmsnorm";

function lane(x: usize, weight: usize, dy: usize, K: i32, i: i32): f32 {
  let sum: f32 = 0;
  for (let k = i; k < K; k += 4) {
    const at = <usize>k * 4;
    sum += load<f32>(dy + at) * load<f32>(weight + at) * load<f32>(x + at);
  }
  return sum;
}

export function rmsnorm_backward_f32(
  x: usize,
  weight: usize,
  dy: usize,
  dx: usize,
  dweight: usize,
  M: i32,
  K: i32,
  eps: f32,
): void {
  for (let m = 0; m < M; m++) {
    const row = <usize>(m * K) * 4;
    const r = reciprocalRms(x + row, K, eps);
    const low: f32 = lane(x + row, weight, dy + row, K, 0) + lane(x + row, weight, dy + row, K, 1);
    const high: f32 = lane(x + row, weight, dy + row, K, 2) + lane(x + row, weight, dy + row, K, 3);
    const c: f32 = ((low + high) * r * r) / <f32>K;
    for (let k = 0; k < K; k++) {
      const at = <usize>k * 4;
      const u = load<f32>(x + row + at),
        d = load<f32>(dy + row + at);
      store<f32>(dx + row + at, load<f32>(dx + row + at) + r * (d * load<f32>(weight + at) - u * c));
      store<f32>(dweight + at, load<f32>(dweight + at) + d * (u * r));
    }
  }
}
