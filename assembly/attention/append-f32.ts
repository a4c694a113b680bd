/**
 * Appends M rows of k or v to an f32 cache.
 *
 *   cache[g, position + m, d] = x[m, g * D + d]
 *
 *   x       rows of `stride` f32, head g of Hkv at g * D
 *   cache   layout-kv.ts, capacity S tokens; only the tokens position + begin .. position + end - 1 are written
 *
 * Units: rows. Preconditions: D % 8 == 0, position + M <= S. No over-read.
 */
import { headBytesF32, kOffsetF32, vOffsetF32, LANES } from "../layouts/layout-kv";

export function append_k_f32(
  x: usize,
  cache: usize,
  position: i32,
  stride: i32,
  Hkv: i32,
  D: i32,
  S: i32,
  begin: i32,
  end: i32,
): void {
  assert(D % LANES == 0 && position + end <= S);
  for (let m = begin; m < end; m++) {
    let source = x + ((<usize>m * stride) << 2);
    for (let g = 0; g < Hkv; g++) {
      let target = cache + <usize>g * headBytesF32(S, D) + kOffsetF32(position + m, 0, D);
      // Neighbouring channels of a token are 32 bytes apart.
      for (let d = 0; d < D; d += 4, source += 16, target += 128) {
        const four = v128.load(source);
        v128.store32_lane(target, four, 0);
        v128.store32_lane(target, four, 1, 32);
        v128.store32_lane(target, four, 2, 64);
        v128.store32_lane(target, four, 3, 96);
      }
    }
  }
}

export function append_v_f32(
  x: usize,
  cache: usize,
  position: i32,
  stride: i32,
  Hkv: i32,
  D: i32,
  S: i32,
  begin: i32,
  end: i32,
): void {
  assert(D % LANES == 0 && position + end <= S);
  const tileBytes = vOffsetF32(0, LANES, S);
  for (let m = begin; m < end; m++) {
    let source = x + ((<usize>m * stride) << 2);
    for (let g = 0; g < Hkv; g++) {
      let target = cache + <usize>g * headBytesF32(S, D) + vOffsetF32(position + m, 0, S);
      for (let d = 0; d < D; d += LANES, source += 32, target += tileBytes) {
        v128.store(target, v128.load(source));
        v128.store(target, v128.load(source, 16), 16);
      }
    }
  }
}
