// Twin of ../transpose-qb4w.ts: one weight at a time, addressed as the drawings in ../layout.ts say.
import { groupBytesQb4w, NR, panelBytesF32w, panelBytesQb4w } from "../layouts/layout";
import { loadNibble } from "./nibbles";

export function transpose_qb4w_f32w(
  w: usize,
  values: usize,
  transposed: usize,
  N: i32,
  K: i32,
  G: i32,
  begin: i32,
  end: i32,
): void {
  for (let n = begin * NR; n < min(end * NR, N); n++) {
    const c = n % NR;
    for (let k = 0; k < K; k++) {
      const group = w + <usize>(n / NR) * panelBytesQb4w(K, G) + <usize>(k / G) * groupBytesQb4w(G);
      const code = loadNibble(group + NR * 4, c, k % G);
      const value = load<f32>(values + <usize>code * 4) * load<f32>(group + <usize>c * 4);
      store<f32>(transposed + <usize>(k / NR) * panelBytesF32w(N) + <usize>(n * NR + (k % NR)) * 4, value);
    }
  }
}
