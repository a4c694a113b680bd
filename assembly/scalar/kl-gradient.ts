// Twin of ../kl-gradient.ts.
import { softmax_f32 } from "./softmax";

export function kl_gradient_f32(x: usize, y: usize, factor: f32, V: i32, begin: i32, end: i32): void {
  for (let m = begin; m < end; m++) {
    const p = x + <usize>(m * V) * 4,
      q = y + <usize>(m * V) * 4;
    softmax_f32(p, p, V, 1);
    softmax_f32(q, q, V, 1);
    for (let v = 0; v < V; v++) {
      const i = <usize>v * 4;
      store<f32>(q + i, (load<f32>(q + i) - load<f32>(p + i)) * factor);
    }
  }
}
