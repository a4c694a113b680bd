/** Twin of `../softmax.ts`. */
import { exponentialSum, maxOf } from "./exponential-sum";
import { exp } from "./math";

export function softmax_f32(x: usize, y: usize, count: i32, temperature: f32): void {
  const max = maxOf(x, count);
  const sum = <f32>exponentialSum(x, count, max, temperature);
  for (let i: usize = 0; i < (<usize>count) << 2; i += 4) {
    store<f32>(y + i, exp((load<f32>(x + i) - max) / temperature) / sum);
  }
}
