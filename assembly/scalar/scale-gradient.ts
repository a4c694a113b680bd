// Twin of ../scale-gradient.ts.
import { NR, panelBytesF32w } from "../layouts/layout";

/** Element [row, column] of f32w panels of [rows, columns]. */
function at(panels: usize, row: i32, column: i32, columns: i32): f32 {
  return load<f32>(panels + <usize>(row / NR) * panelBytesF32w(columns) + <usize>(column * NR + (row % NR)) * 4);
}

/** One lane of the sum over the group of k that begins at `first`. */
function lane(dy: usize, x: usize, w: usize, M: i32, N: i32, n: i32, first: i32, G: i32, i: i32): f32 {
  let sum: f32 = 0;
  for (let k = first + i; k < first + G; k += 4) {
    let d: f32 = 0;
    for (let m = 0; m < M; m++) d += at(dy, n, m, M) * at(x, k, m, M);
    sum += d * at(w, k, n, N);
  }
  return sum;
}

export function scale_gradient_f32(
  dy: usize,
  x: usize,
  w: usize,
  gradients: usize,
  M: i32,
  N: i32,
  K: i32,
  G: i32,
  begin: i32,
  end: i32,
): void {
  for (let g = begin; g < end; g++) {
    for (let n = 0; n < N; n++) {
      const low: f32 = lane(dy, x, w, M, N, n, g * G, G, 0) + lane(dy, x, w, M, N, n, g * G, G, 1);
      const high: f32 = lane(dy, x, w, M, N, n, g * G, G, 2) + lane(dy, x, w, M, N, n, g * G, G, 3);
      store<f32>(gradients + <usize>(n * (K / G) + g) * 4, low + high);
    }
  }
}
