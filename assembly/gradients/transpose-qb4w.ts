/**
 * A packed 4-bit matrix as the transposed matrix of floats: what the gradient of a linear layer's input is
 * multiplied by.
 *
 *   transposed[k, n] = values[code[n,k]] * scale[n, k / G]        one rounding
 *
 *   w           qb4w or qb4fw panels of [N, K] (layout.ts)
 *   values      f32[16], what each code stands for: u - 8, or twice the E2M1 value
 *   transposed  f32w panels of [K, N]
 *
 * Preconditions: K a multiple of 8. Reads and writes nothing outside the shapes. Units: panels of w.
 *
 * Why in this direction: four k of one channel are one word of a panel, and lie together in the transposed
 * panel too.
 */
import { groupBytesQb4w, NR, panelBytesF32w, panelBytesQb4w } from "../layouts/layout";


@inline
function valueOf(values: usize, word: u32, shift: u32): usize {
  return values + (((word >> shift) & 15) << 2);
}

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
  for (let p = begin; p < end; p++) {
    const panel = w + <usize>p * panelBytesQb4w(K, G);
    const channels = min(N - p * NR, NR);
    for (let k = 0; k < K; k += 4) {
      const group = panel + <usize>(k / G) * groupBytesQb4w(G);
      const block = group + (NR << 2) + ((<usize>(k % G)) << 2);
      let out = transposed + <usize>(k / NR) * panelBytesF32w(N) + ((<usize>(p * NR * NR + (k & 4))) << 2);
      for (let c = 0; c < channels; c++) {
        const word = load<u32>(block + ((<usize>(c & 3)) << 2)) >> (<u32>(c & 4));
        let v = v128.load32_splat(valueOf(values, word, 0));
        v = v128.load32_lane(valueOf(values, word, 8), v, 1);
        v = v128.load32_lane(valueOf(values, word, 16), v, 2);
        v = v128.load32_lane(valueOf(values, word, 24), v, 3);
        v128.store(out, f32x4.mul(v, v128.load32_splat(group + ((<usize>c) << 2))));
        out += NR << 2;
      }
    }
  }
}
