/**
 * Quantizes M rows of k or v and appends them to an int8 cache: static (qs8), with one scale for all (FPTQ:
 * the KV cache is int8 per tensor), or dynamic (qd8), each head of a row with a scale of its own.
 *
 *   cache[rows[m].blocks, g, rows[m].position, d] = clamp(roundHalfEven(x[m, g * D + d] / scale), -128, 127)
 *   qd8: scale[m, g] = (max over d of |x[m, g * D + d]|) / 127, stored; NaN unless all are finite
 *
 *   x       rows of `stride` f32, head g of Hkv at g * D
 *   cache   pool of layout-kv.ts; only the tokens of the rows begin .. end - 1, and their scales, are written
 *   rows    Row[M], of any sequences
 *
 * Units: rows. Preconditions: D % 8 == 0, each row's block table reaches its position, a static scale is >
 * 0. No over-read. In a static cache NaN is stored as 0, infinity saturates: int8 cannot say either, and
 * the residual stream they come from carries them on to the check of the logits. A dynamic scale can: NaN,
 * so that every row that attends to such a token is no number either. A head of zeros has scale 0 and is
 * divided by 1.
 *
 * One function for both kinds: they part once for each head of a row.
 */
import {
  BLOCK,
  blockAt,
  headBytesQd8,
  headBytesQs8,
  kOffsetQs8,
  LANES,
  rowAt,
  scaleOffsetQd8,
  vOffsetQs8,
} from "../layouts/layout-kv";
import { absmax } from "./attention-kqs8";

/** In place of a static scale: each head of a row has its own. */
const DYNAMIC: f32 = 0;

/** Four elements at `x`, divided and rounded, as i32 lanes; the narrowing below saturates them. */
@inline
function quantize4(x: usize, scale: v128): v128 {
  return i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.div(v128.load(x), scale)));
}

/** Eight elements at `x` as int8 in the low half, in natural order. */
@inline
function quantize8(x: usize, scale: v128): v128 {
  const eight = i16x8.narrow_i32x4_s(quantize4(x, scale), quantize4(x + 16, scale));
  return i8x16.narrow_i16x8_s(eight, eight);
}

/** Stores the scale of D elements; returns what they are divided by. */
@inline
function dynamicScale(x: usize, D: i32, scaleAt: usize): f32 {
  const largest = absmax(x, D);
  // The difference is 0, or NaN.
  const scale = largest / 127 + (largest - largest);
  store<f32>(scaleAt, scale);
  return scale == 0 ? 1 : scale;
}

function append_k(x: usize, cache: usize, rows: usize, stride: i32, Hkv: i32, D: i32, scale: f32, begin: i32, end: i32): void {
  assert(D % LANES == 0);
  const headBytes = scale == DYNAMIC ? headBytesQd8(D) : headBytesQs8(D);
  for (let m = begin; m < end; m++) {
    let source = x + ((<usize>m * stride) << 2);
    const row = rowAt(rows, m);
    const token = row.position & (BLOCK - 1);
    let head = blockAt(cache, row.blocks, row.position, <usize>Hkv * headBytes);
    for (let g = 0; g < Hkv; g++, head += headBytes) {
      const divisor = f32x4.splat(scale == DYNAMIC ? dynamicScale(source, D, head + scaleOffsetQd8(token, D)) : scale);
      let target = head + kOffsetQs8(token, 0, D);
      // A token's next four channels are 32 bytes further.
      for (let d = 0; d < D; d += LANES, source += 32, target += 64) {
        const q = quantize8(source, divisor);
        const interleaved = i8x16.shuffle(q, q, 0, 2, 1, 3, 4, 6, 5, 7, 0, 0, 0, 0, 0, 0, 0, 0);
        v128.store32_lane(target, interleaved, 0);
        v128.store32_lane(target, interleaved, 1, 32);
      }
    }
  }
}

function append_v(x: usize, cache: usize, rows: usize, stride: i32, Hkv: i32, D: i32, scale: f32, begin: i32, end: i32): void {
  assert(D % LANES == 0);
  const headBytes = scale == DYNAMIC ? headBytesQd8(D) : headBytesQs8(D);
  const tileBytes = vOffsetQs8(0, LANES);
  for (let m = begin; m < end; m++) {
    let source = x + ((<usize>m * stride) << 2);
    const row = rowAt(rows, m);
    const token = row.position & (BLOCK - 1);
    let head = blockAt(cache, row.blocks, row.position, <usize>Hkv * headBytes);
    for (let g = 0; g < Hkv; g++, head += headBytes) {
      const divisor = f32x4.splat(scale == DYNAMIC ? dynamicScale(source, D, head + scaleOffsetQd8(token, D)) : scale);
      let target = head + vOffsetQs8(token, 0);
      for (let d = 0; d < D; d += LANES, source += 32, target += tileBytes) {
        const q = quantize8(source, divisor);
        v128.store8_lane(target, q, 0);
        v128.store8_lane(target, q, 1, 4);
        v128.store8_lane(target, q, 2, 8);
        v128.store8_lane(target, q, 3, 12);
        v128.store8_lane(target, q, 4, 16);
        v128.store8_lane(target, q, 5, 20);
        v128.store8_lane(target, q, 6, 24);
        v128.store8_lane(target, q, 7, 28);
      }
    }
  }
}

export function append_k_qs8(
  x: usize,
  cache: usize,
  rows: usize,
  stride: i32,
  Hkv: i32,
  D: i32,
  scale: f32,
  begin: i32,
  end: i32,
): void {
  append_k(x, cache, rows, stride, Hkv, D, scale, begin, end);
}

export function append_v_qs8(
  x: usize,
  cache: usize,
  rows: usize,
  stride: i32,
  Hkv: i32,
  D: i32,
  scale: f32,
  begin: i32,
  end: i32,
): void {
  append_v(x, cache, rows, stride, Hkv, D, scale, begin, end);
}

export function append_k_qd8(x: usize, cache: usize, rows: usize, stride: i32, Hkv: i32, D: i32, begin: i32, end: i32): void {
  append_k(x, cache, rows, stride, Hkv, D, DYNAMIC, begin, end);
}

export function append_v_qd8(x: usize, cache: usize, rows: usize, stride: i32, Hkv: i32, D: i32, begin: i32, end: i32): void {
  append_v(x, cache, rows, stride, Hkv, D, DYNAMIC, begin, end);
}
