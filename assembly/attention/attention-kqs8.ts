/**
 * Scores of a tile against an int8 K cache, in powers of two:
 *
 *   a[r]         = max over d of |q[r, d]| / 8191                  one scale per head and row
 *   u[r, d]      = clamp(roundHalfEven(q[r, d] / a[r]), -8191, 8191)
 *   scores[r, s] = f32(sum over d of u[r, d] * K[s, d]) * (a[r] * kScale * (log2(e) / divisor))
 *
 * for the tokens begin .. end - 1 of one block of the pool, both multiples of 8, begin its first. Tokens
 * outside a row's range give any value: attention.ts masks them.
 *
 * Why 14 bits: a 16-bit operand costs the same as an 8-bit one, and a build whose dot instruction takes 7
 * bits needs two planes for 8 bits or for 14. So the error is that of the cache alone. i32 holds D up to 2048
 * (8191 * 128 * 2048 < 2^31). A NaN or infinity in the query makes a[r], and with it every score of the row,
 * NaN or infinite.
 */
import { LOG2E } from "../math/exp2";
import { FACTORS_OFFSET, kOffsetQs8, LANES, queriesOffset, scoresOffset, storedTokens, TileRow } from "../layouts/layout-kv";
import { storeOperands, tileQs8 } from "./attention-tile-qs8";

const QUERY_MAX: f32 = 8191;
const ROUNDER: f32 = 12582912;
const ROUNDER_BITS: i32 = 0x4b400000;

/**
 * Quantizes the tile's queries, stores them as operands of the tile and what a unit of each row's scores is
 * worth.
 */
export function gather_queries_qs8(R: i32, D: i32, kScale: f32, divisor: f32, scratch: usize): void {
  const softmaxScale = LOG2E / divisor;
  for (let r = 0; r < R; r++) {
    const query = changetype<TileRow>(scratch + <usize>r * offsetof<TileRow>()).query;
    const scale = absmax(query, D) / QUERY_MAX;
    store<f32>(scratch + FACTORS_OFFSET + ((<usize>r) << 2), scale * kScale * softmaxScale);
    quantizeQuery(query, scratch + queriesOffset(D) + ((<usize>r) << 3), D, scale == 0 ? 1 : scale);
  }
}

/**
 * Largest magnitude, NaN if there is one. Compared as integers, where a float without its sign keeps its
 * order and NaN is above infinity: one instruction, where the float maximum that keeps NaN takes seven.
 */
@inline
export function absmax(x: usize, D: i32): f32 {
  const magnitude = i32x4.splat(i32.MAX_VALUE);
  let a = i32x4.splat(0),
    b = a;
  for (const end = x + ((<usize>D) << 2); x < end; x += 32) {
    a = i32x4.max_s(a, v128.and(v128.load(x), magnitude));
    b = i32x4.max_s(b, v128.and(v128.load(x, 16), magnitude));
  }
  a = i32x4.max_s(a, b);
  a = i32x4.max_s(a, i32x4.shuffle(a, a, 2, 3, 0, 1));
  return reinterpret<f32>(max(i32x4.extract_lane(a, 0), i32x4.extract_lane(a, 1)));
}


@inline
function quantizeQuery(x: usize, u: usize, D: i32, scale: f32): void {
  const divisor = f32x4.splat(scale);
  for (const end = x + ((<usize>D) << 2); x < end; x += 32, u += 64) {
    const eight = i16x8.narrow_i32x4_s(quantize4(x, divisor), quantize4(x + 16, divisor));
    storeOperands(u, eight, true);
  }
}

/**
 * Adding 1.5 * 2^23 rounds half to even and leaves the integer in the low bits; NaN leaves any, in a row
 * whose scale is NaN.
 */
@inline
function quantize4(x: usize, scale: v128): v128 {
  const limit = f32x4.splat(QUERY_MAX);
  const clamped = f32x4.pmax(f32x4.pmin(f32x4.div(v128.load(x), scale), limit), f32x4.neg(limit));
  return i32x4.sub(f32x4.add(clamped, f32x4.splat(ROUNDER)), i32x4.splat(ROUNDER_BITS));
}

/** @param headBytes from a row's head to that of the next row, or 0: all rows have one */
export function scores_kqs8(R: i32, k: usize, headBytes: usize, D: i32, S: i32, begin: i32, end: i32, scratch: usize): void {
  if (R == 1 || headBytes != 0) for (let r = 0; r < R; r++) scores(1, r, k + <usize>r * headBytes, D, S, begin, end, scratch);
  else if (R == 2) scores(2, 0, k, D, S, begin, end, scratch);
  else if (R == 3) scores(3, 0, k, D, S, begin, end, scratch);
  else scores(4, 0, k, D, S, begin, end, scratch);
}

/** Scores of R rows from row r on. */
@inline
function scores(R: i32, r: i32, k: usize, D: i32, S: i32, begin: i32, end: i32, scratch: usize): void {
  const queries = scratch + queriesOffset(D) + ((<usize>r) << 3);
  const factors = scratch + FACTORS_OFFSET + ((<usize>r) << 2);
  const rowBytes = (<usize>storedTokens(S)) << 2;
  const out = scratch + scoresOffset(D) + <usize>r * rowBytes;
  for (let s = begin; s < end; s += LANES) {
    tileQs8(R, queries, k + kOffsetQs8(s - begin, 0, D), D >> 2, factors, out + ((<usize>s) << 2), rowBytes, false, true);
  }
}
