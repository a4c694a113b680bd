/** Twin of `../elementwise/softcap.ts`. */
import { tanh } from "./tanh";

export function softcap(x: usize, count: i32, cap: f32): void {
  for (let i: usize = 0; i < (<usize>count) << 2; i += 4) store<f32>(x + i, cap * tanh(load<f32>(x + i) / cap));
}

export function softcap_f32(x: usize, K: i32, cap: f32, begin: i32, end: i32): void {
  softcap(x + ((<usize>(begin * K)) << 2), (end - begin) * K, cap);
}
