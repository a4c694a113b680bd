// Twin of ../swiglu-backward.ts.
import { exp } from "./math";

export function swiglu_backward_f32(x: usize, dy: usize, F: i32, begin: i32, end: i32): void {
  for (let m = begin; m < end; m++) {
    for (let f = 0; f < F; f++) {
      const gate = x + <usize>(m * 2 * F + f) * 4,
        up = gate + <usize>F * 4;
      const g = load<f32>(gate),
        d = load<f32>(dy + <usize>(m * F + f) * 4);
      const s: f32 = 1 / (1 + exp(-g));
      store<f32>(gate, d * load<f32>(up) * (s * (1 + g * (1 - s))));
      store<f32>(up, d * (g * s));
    }
  }
}
