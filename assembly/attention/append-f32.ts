/**
 * Appends M rows of k or v to an f32 cache.
 *
 *   cache[rows[m].blocks, g, rows[m].position, d] = x[m, g * D + d]
 *
 *   x       rows of `stride` f32, head g of Hkv at g * D
 *   cache   pool of layout-kv.ts; only the tokens of the rows begin .. end - 1 are written
 *   rows    Row[M], of any sequences
 *
 * Units: rows. Preconditions: D % 8 == 0, each row's block table reaches its position. No over-read.
 */
import { BLOCK, blockAt, headBytesF32, kOffsetF32, LANES, rowAt, vOffsetF32 } from "../layouts/layout-kv";

export function append_k_f32(x: usize, cache: usize, rows: usize, stride: i32, Hkv: i32, D: i32, begin: i32, end: i32): void {
  assert(D % LANES == 0);
  const headBytes = headBytesF32(D);
  for (let m = begin; m < end; m++) {
    let source = x + ((<usize>m * stride) << 2);
    const row = rowAt(rows, m);
    let head = blockAt(cache, row.blocks, row.position, <usize>Hkv * headBytes) + kOffsetF32(row.position & (BLOCK - 1), 0, D);
    for (let g = 0; g < Hkv; g++, head += headBytes) {
      let target = head;
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

export function append_v_f32(x: usize, cache: usize, rows: usize, stride: i32, Hkv: i32, D: i32, begin: i32, end: i32): void {
  assert(D % LANES == 0);
  const headBytes = headBytesF32(D);
  const tileBytes = vOffsetF32(0, LANES);
  for (let m = begin; m < end; m++) {
    let source = x + ((<usize>m * stride) << 2);
    const row = rowAt(rows, m);
    let head = blockAt(cache, row.blocks, row.position, <usize>Hkv * headBytes) + vOffsetF32(row.position & (BLOCK - 1), 0);
    for (let g = 0; g < Hkv; g++, head += headBytes) {
      let target = head;
      for (let d = 0; d < D; d += LANES, source += 32, target += tileBytes) {
        v128.store(target, v128.load(source));
        v128.store(target, v128.load(source, 16), 16);
      }
    }
  }
}
