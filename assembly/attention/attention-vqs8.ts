/**
 * Softmax of a tile's scores, quantized block by block, and its product with an int8 V cache. For blocks b of
 * 64 tokens that start at multiples of 64:
 *
 *   m[r, b] = max over s in b of scores[r, s]
 *   u[r, s] = roundHalfEven(16383 * 2^(scores[r, s] - m[r, b]))              0..16383
 *   c[r, b] = 2^(m[r, b] - max over b of m[r, b])
 *   y[r, d] = sum over b, ascending, of f32(sum over s in b of u[r, s] * V[s, d]) * c[r, b]
 *           * (vScale / sum over b, ascending, of c[r, b] * sum over s in b of u[r, s])
 *
 * Why 14 bits: two 7-bit planes for builds whose dot instruction takes 7, one 16-bit operand here; the same
 * exact integers. Why a maximum per block: with one per row, an attention sink at token 0 would round a long
 * flat tail to nothing. Why the sum of u and not of the unrounded powers: the weights sum to 1 exactly, so
 * rounding moves no mass to or from V. The sums of u are kept as f32: whole numbers up to 64 * 16383 < 2^24
 * are exact in any order, and a NaN score stays NaN. Masked scores are -infinity and their u is 0; a block
 * masked as a whole has c = 0 and adds exactly 0.
 */
import { exp2x4 } from "../math/exp2";
import {
  BLOCK,
  blockAt,
  blockMaxOffset,
  blockSumOffset,
  LANES,
  scoresOffset,
  storedTokens,
  SUMS_OFFSET,
  VALUES_OFFSET,
  vOffsetQs8,
  weightsOffset,
} from "../layouts/layout-kv";
import { storeValues } from "./attention-tile";
import { storeOperands, tileQs8 } from "./attention-tile-qs8";
import { maxLanes, sumLanes } from "../math/simd";

export const WEIGHT_MAX: f32 = 16383;
/** Adding 2^23 rounds to a whole number, half to even, and leaves it in the low bits. */
export const ROUNDER: f32 = 8388608;
export const ROUNDER_BITS: i32 = 0x4b000000;

/**
 * Scores of one block, or the part of it below `end`: its weights as operands of the tile, its maximum and
 * its sum, for each row.
 */
export function quantize_weights_qs8(R: i32, D: i32, S: i32, s: i32, end: i32, scratch: usize): void {
  const n = min(end - s, BLOCK);
  const block = (<usize>(s / BLOCK)) << 4;
  let scores = scratch + scoresOffset(D) + ((<usize>s) << 2);
  let weights = scratch + weightsOffset(S, D) + ((<usize>s) << 3);
  let blockMax = scratch + blockMaxOffset(S, D) + block;
  let blockSum = scratch + blockSumOffset(S, D) + block;
  for (let r = 0; r < R; r++) {
    quantizeBlock(scores, weights, n, blockMax, blockSum);
    scores += (<usize>storedTokens(S)) << 2;
    weights += 8;
    blockMax += 4;
    blockSum += 4;
  }
}

/** From the maxima and sums of all blocks, the factor of each and vScale / sum of weights. */
export function combine_blocks_qs8(D: i32, S: i32, vScale: f32, begin: i32, end: i32, scratch: usize): void {
  const blockMax = scratch + blockMaxOffset(S, D);
  const blockSum = scratch + blockSumOffset(S, D);
  // A lane is a row; lanes beyond the tile's rows hold anything and are not read again.
  const firstBlock = blockMax + ((<usize>(begin / BLOCK)) << 4);
  const blockEnd = blockMax + ((<usize>((end + BLOCK - 1) / BLOCK)) << 4);
  let max = f32x4.splat(-f32.MAX_VALUE);
  for (let b = firstBlock; b < blockEnd; b += 16) max = f32x4.pmax(max, v128.load(b));
  let sum = f32x4.splat(0);
  for (let b = firstBlock; b < blockEnd; b += 16) {
    const factor = exp2x4(f32x4.sub(v128.load(b), max));
    sum = f32x4.add(sum, f32x4.mul(factor, v128.load(b - blockMax + blockSum)));
    v128.store(b, factor);
  }
  v128.store(scratch + SUMS_OFFSET, f32x4.div(f32x4.splat(vScale), sum));
}

/** The largest of n scores, a multiple of 8; NaN is left out. */
@inline
export function maxScore(scores: usize, n: i32): f32 {
  let max = f32x4.splat(-f32.MAX_VALUE),
    max1 = max;
  for (const end = scores + ((<usize>n) << 2); scores < end; scores += 32) {
    max = f32x4.pmax(max, v128.load(scores));
    max1 = f32x4.pmax(max1, v128.load(scores, 16));
  }
  return maxLanes(f32x4.pmax(max, max1));
}

/** n scores, a multiple of 8, of one row. */
@inline
function quantizeBlock(scores: usize, weights: usize, n: i32, blockMax: usize, blockSum: usize): void {
  const end = scores + ((<usize>n) << 2);
  const max = f32x4.splat(maxScore(scores, n));
  v128.store32_lane(blockMax, max, 0);
  let sum = f32x4.splat(0),
    sum1 = sum;
  for (let s = scores; s < end; s += 32, weights += 64) {
    const a = roundedWeights(f32x4.sub(v128.load(s), max));
    const b = roundedWeights(f32x4.sub(v128.load(s, 16), max));
    sum = f32x4.add(sum, f32x4.sub(a, f32x4.splat(ROUNDER)));
    sum1 = f32x4.add(sum1, f32x4.sub(b, f32x4.splat(ROUNDER)));
    const bits = i32x4.splat(ROUNDER_BITS);
    const u = i16x8.narrow_i32x4_s(i32x4.sub(a, bits), i32x4.sub(b, bits));
    storeOperands(weights, u, false);
  }
  store<f32>(blockSum, sumLanes(f32x4.add(sum, sum1)));
}

/** 2^23 + roundHalfEven(16383 * 2^t) */
@inline
function roundedWeights(t: v128): v128 {
  return f32x4.add(f32x4.mul(exp2x4(t), f32x4.splat(WEIGHT_MAX)), f32x4.splat(ROUNDER));
}

/**
 * @param v where the first row's head lies in block 0 of the pool
 * @param headBytes from a row's head to that of the next row, or 0: all rows have one
 */
export function values_vqs8(
  R: i32,
  v: usize,
  headBytes: usize,
  blocks: usize,
  blockBytes: usize,
  D: i32,
  S: i32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  memory.fill(scratch + VALUES_OFFSET, 0, (<usize>D) << 4);
  for (let s = begin; s < end; s += BLOCK) {
    const block = blockAt(v, blocks, s, blockBytes);
    const n = min(end - s, BLOCK);
    if (R == 1 || headBytes != 0) for (let r = 0; r < R; r++) values(1, r, block + <usize>r * headBytes, D, S, s, n, scratch);
    else if (R == 2) values(2, 0, block, D, S, s, n, scratch);
    else if (R == 3) values(3, 0, block, D, S, s, n, scratch);
    else values(4, 0, block, D, S, s, n, scratch);
  }
  storeValues(R, D, scratch);
}

/**
 * Adds the n tokens from s on, of one block of the pool, for R rows from row r on. A head's part of a block
 * is contiguous.
 */
@inline
function values(R: i32, r: i32, block: usize, D: i32, S: i32, s: i32, n: i32, scratch: usize): void {
  const weights = scratch + weightsOffset(S, D) + ((<usize>s) << 3) + ((<usize>r) << 3);
  const factor = scratch + blockMaxOffset(S, D) + ((<usize>(s / BLOCK)) << 4) + ((<usize>r) << 2);
  const rowBytes = (<usize>D) << 2;
  const out = scratch + VALUES_OFFSET + <usize>r * rowBytes;
  for (let d = 0; d < D; d += LANES) {
    tileQs8(R, weights, block + vOffsetQs8(0, d), n >> 2, factor, out + ((<usize>d) << 2), rowBytes, true, false);
  }
}
