/**
 * Softmax of a tile's scores for dynamic int8 values: the scale of a value goes into its probability before
 * that is quantized, block by block as in attention-vqs8.ts, and the integer product is the same one. For
 * blocks b of 64 tokens that start at multiples of 64:
 *
 *   m[r, b] = max over s in b of scores[r, s]
 *   p[r, s] = 2^(scores[r, s] - m[r, b])                              0..1
 *   w[r, s] = p[r, s] * scale[s]                                      product rounded; 0 where p is 0
 *   U[r, b] = max(max over s in b of w[r, s], 2^-100) / 16383         what a unit of u is worth
 *   u[r, s] = roundHalfEven(w[r, s] * (1 / U[r, b]))                 0..16383; quotient, then product rounded
 *   c[r, b] = 2^(m[r, b] - max over b of m[r, b])
 *   y[r, d] = sum over b, ascending, of f32(sum over s in b of u[r, s] * V[s, d]) * (c[r, b] * U[r, b])
 *           * (1 / sum over b, ascending, of c[r, b] * sum over s in b of p[r, s])
 *
 * Why the sum of p and not of the rounded weights, as with one scale for all: u says that a probability is
 * u * U / scale[s], so its error in the sum of probabilities would grow without bound where a value is
 * small beside the others of its block, and a token that draws much attention and has next to no value (an
 * attention sink) is just that; a value of zero would have no say at all. With the sum of p a rounding
 * counts for what its value weighs: U / 2 times |V|. The sum of a block has eight partial sums, lane s mod
 * 8, added i + (i + 4) first, then (0 + 1) + (2 + 3).
 *
 * Why a floor of 2^-100: the quotient stays finite, and what is smaller weighs nothing beside it.
 * Masked scores are -infinity and their p is 0, whatever bytes their scales have. NaN, of a score or of a
 * scale, is larger than any number in the maximum, which is taken of bits, and so makes the row NaN.
 */
import { exp2x4 } from "../math/exp2";
import {
  BLOCK,
  blockMaxOffset,
  blockSumOffset,
  blockUnitOffset,
  scaleOffsetQd8,
  scoresOffset,
  storedTokens,
  weightsOffset,
} from "../layouts/layout-kv";
import { sumLanes } from "../math/simd";
import { storeOperands } from "./attention-tile-qs8";
import { combine_blocks_qs8, maxScore, ROUNDER, ROUNDER_BITS, WEIGHT_MAX } from "./attention-vqs8";

/** 2^-100 */
export const LEAST_WEIGHT: f32 = 7.888609052210118e-31;

/**
 * Scores of one block, or the part of it below `end`: its weights as operands of the tile, its maximum, its
 * sum and its unit, for each row.
 *
 * @param v where the first row's head lies in the block
 * @param headBytes from a row's head to that of the next row, or 0: all rows have one
 */
export function quantize_weights_qd8(R: i32, v: usize, headBytes: usize, D: i32, S: i32, s: i32, end: i32, scratch: usize): void {
  const n = min(end - s, BLOCK);
  const block = (<usize>(s / BLOCK)) << 4;
  let scales = v + scaleOffsetQd8(0, D);
  let scores = scratch + scoresOffset(D) + ((<usize>s) << 2);
  let weights = scratch + weightsOffset(S, D) + ((<usize>s) << 3);
  let blockMax = scratch + blockMaxOffset(S, D) + block;
  const toSum = blockSumOffset(S, D) - blockMaxOffset(S, D);
  const toUnit = blockUnitOffset(S, D) - blockMaxOffset(S, D);
  for (let r = 0; r < R; r++) {
    const max = maxScore(scores, n);
    store<f32>(blockMax, max);
    const unit: f32 = weighBlock(scores, scales, n, max, blockMax + toSum) / WEIGHT_MAX;
    store<f32>(blockMax + toUnit, unit);
    quantizeBlock(scores, weights, n, unit);
    scores += (<usize>storedTokens(S)) << 2;
    scales += headBytes;
    weights += 8;
    blockMax += 4;
  }
}

/** From the maxima, sums and units of all blocks, the factor of each and 1 / sum of p. */
export function combine_blocks_qd8(D: i32, S: i32, begin: i32, end: i32, scratch: usize): void {
  combine_blocks_qs8(D, S, 1, begin, end, scratch);
  const toUnit = blockUnitOffset(S, D) - blockMaxOffset(S, D);
  const blockMax = scratch + blockMaxOffset(S, D);
  const blockEnd = blockMax + ((<usize>((end + BLOCK - 1) / BLOCK)) << 4);
  for (let b = blockMax + ((<usize>(begin / BLOCK)) << 4); b < blockEnd; b += 16) {
    v128.store(b, f32x4.mul(v128.load(b), v128.load(b + toUnit)));
  }
}

/** Replaces n scores by w, stores the sum of p; returns the largest w. */
@inline
function weighBlock(scores: usize, scales: usize, n: i32, blockMax: f32, blockSum: usize): f32 {
  const top = f32x4.splat(blockMax);
  let sum = f32x4.splat(0),
    sum1 = sum;
  let most = f32x4.splat(LEAST_WEIGHT),
    most1 = most;
  for (const end = scores + ((<usize>n) << 2); scores < end; scores += 32, scales += 32) {
    const p = exp2x4(f32x4.sub(v128.load(scores), top)),
      p1 = exp2x4(f32x4.sub(v128.load(scores, 16), top));
    const w = weigh(p, v128.load(scales)),
      w1 = weigh(p1, v128.load(scales, 16));
    v128.store(scores, w);
    v128.store(scores, w1, 16);
    sum = f32x4.add(sum, p);
    sum1 = f32x4.add(sum1, p1);
    most = i32x4.max_s(most, w);
    most1 = i32x4.max_s(most1, w1);
  }
  store<f32>(blockSum, sumLanes(f32x4.add(sum, sum1)));
  most = i32x4.max_s(most, most1);
  most = i32x4.max_s(most, i32x4.shuffle(most, most, 2, 3, 0, 1));
  return reinterpret<f32>(max(i32x4.extract_lane(most, 0), i32x4.extract_lane(most, 1)));
}

/** Never negative, NaN without its sign: so that the order of the bits is that of the numbers. */
@inline
function weigh(p: v128, scales: v128): v128 {
  const attended = f32x4.ne(p, f32x4.splat(0));
  return v128.and(f32x4.mul(p, scales), v128.and(attended, i32x4.splat(i32.MAX_VALUE)));
}

/** n weights as operands. */
@inline
function quantizeBlock(scores: usize, weights: usize, n: i32, unit: f32): void {
  const toUnits = f32x4.splat(1 / unit);
  for (const end = scores + ((<usize>n) << 2); scores < end; scores += 32, weights += 64) {
    const u = i16x8.narrow_i32x4_s(rounded(v128.load(scores), toUnits), rounded(v128.load(scores, 16), toUnits));
    storeOperands(weights, u, false);
  }
}


@inline
function rounded(w: v128, toUnits: v128): v128 {
  return i32x4.sub(f32x4.add(f32x4.mul(w, toUnits), f32x4.splat(ROUNDER)), i32x4.splat(ROUNDER_BITS));
}
