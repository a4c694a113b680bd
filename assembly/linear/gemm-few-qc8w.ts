/**
 * Tile of a GEMM over 8-bit weights for few rows of simd128: up to four rows times one packed panel, which
 * gemm-tile.ts would have unpacked first, for a fifth of the time of eight rows.
 *
 *   a        i16[K/4, R, 4], k in order
 *   panel    as it is packed (layout.ts): of each 4 k, 8 bytes are two channels, which one load widens
 *   tile     f32[R, 8] in scratch: sums over blocks of k, as multiplyChannels makes them
 *
 * So a vector holds k 0, 1 and 2, 3 of two channels, and an accumulator two sums of each, which are added at
 * the end: a product has the same 4 k in both halves of its other operand. Channels 0..3 and 4..7 go one
 * after the other: eight accumulators, two vectors of weights and one operand for four rows. Where many rows
 * share a panel, widening it for each tile would take a vector instruction for four products.
 *
 * (measured: docs/measurements/2026-11-30-epyc-avx2-few-rows.md)
 */
import { addScaled } from "./accumulators";
import { CHANNEL_BLOCK, tileRows } from "../layouts/layout";

/** Rows of a block, at most, whose tiles read the packed panel; one row alone does not. */
const MOST_PACKED_ROWS: i32 = 8;


@inline
export function readsPacked(rows: i32): bool {
  return !ASC_FEATURE_RELAXED_SIMD && rows > 1 && rows <= MOST_PACKED_ROWS;
}

/** Rows q, i16 (`wide`) or i8, tile by tile (tileRows in layout.ts). */
@inline
export function arrangeFew(q: usize, a: usize, rows: i32, K: i32, wide: bool): void {
  while (rows > 0) {
    const R = tileRows(rows);
    for (let r: usize = 0; r < <usize>R; r++) {
      let to = a + (r << 3);
      for (const end = q + ((<usize>K) << usize(wide)); q < end; q += wide ? 16 : 8, to += (<usize>R) << 4) {
        const row = wide ? v128.load(q) : v128.load8x8_s(q);
        v128.store64_lane(to, row, 0);
        v128.store64_lane(to + ((<usize>R) << 3), row, 1);
      }
    }
    a += (<usize>R * K) << 1;
    rows -= R;
  }
}


@inline
function multiplyAdd(acc: v128, weights: v128, activations: v128): v128 {
  return i32x4.add(acc, i32x4.dot_i16x8_s(weights, activations));
}

/** The dot products of four channels, each from its two sums, times `scale` onto the tile. */
@inline
function addJoined(tile: usize, first: v128, second: v128, scale: v128): void {
  const dot = i32x4.add(i32x4.shuffle(first, second, 0, 2, 4, 6), i32x4.shuffle(first, second, 1, 3, 5, 7));
  v128.store(tile, addScaled(v128.load(tile), dot, scale));
}

/** `count` k of R rows by four channels, whose first 8 bytes are at `w`. */
@inline
function multiplyHalf(R: i32, a: usize, w: usize, count: i32, scale: usize, tile: usize): void {
  const zero = i32x4.splat(0);
  let first0 = zero;
  let first1 = zero;
  let first2 = zero;
  let first3 = zero;
  let second0 = zero;
  let second1 = zero;
  let second2 = zero;
  let second3 = zero;
  for (const end = w + ((<usize>count) << 3); w < end; w += 32, a += (<usize>R) << 3) {
    const first = v128.load8x8_s(w);
    const second = v128.load8x8_s(w, 8);
    let operand = v128.load64_splat(a);
    first0 = multiplyAdd(first0, first, operand);
    second0 = multiplyAdd(second0, second, operand);
    if (R > 1) {
      operand = v128.load64_splat(a, 8);
      first1 = multiplyAdd(first1, first, operand);
      second1 = multiplyAdd(second1, second, operand);
    }
    if (R > 2) {
      operand = v128.load64_splat(a, 16);
      first2 = multiplyAdd(first2, first, operand);
      second2 = multiplyAdd(second2, second, operand);
    }
    if (R > 3) {
      operand = v128.load64_splat(a, 24);
      first3 = multiplyAdd(first3, first, operand);
      second3 = multiplyAdd(second3, second, operand);
    }
  }
  const scales = v128.load(scale);
  addJoined(tile, first0, second0, scales);
  if (R > 1) addJoined(tile + 32, first1, second1, scales);
  if (R > 2) addJoined(tile + 64, first2, second2, scales);
  if (R > 3) addJoined(tile + 96, first3, second3, scales);
}

/** R rows against a packed panel by blocks of CHANNEL_BLOCK k; `scale`: the scales of its channels. */
@inline
export function multiplyFewChannels(R: i32, a: usize, K: i32, panel: usize, scale: usize, tile: usize): void {
  memory.fill(tile, 0, (<usize>R) << 5);
  for (let k = 0; k < K; k += CHANNEL_BLOCK) {
    const count = min(CHANNEL_BLOCK, K - k);
    for (let half: usize = 0; half < 32; half += 16) {
      multiplyHalf(R, a, panel + half, count, scale + half, tile + half);
    }
    panel += (<usize>count) << 3;
    a += (<usize>count * R) << 1;
  }
}
