/** Twin of `../swiglu.ts`. */
import { silu } from "./math";

export function swiglu_f32(x: usize, y: usize, F: i32, stride: i32, begin: i32, end: i32): void {
  for (let m = begin; m < end; m++) {
    for (let f = 0; f < F; f++) {
      const gate = load<f32>(x + ((<usize>(m * stride + f)) << 2));
      const up = load<f32>(x + ((<usize>(m * stride + F + f)) << 2));
      store<f32>(y + ((<usize>(m * F + f)) << 2), silu(gate) * up);
    }
  }
}
