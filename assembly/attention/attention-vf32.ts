/**
 * Softmax of a tile's scores and its product with an f32 V cache:
 *
 *   p[r, s] = 2^(scores[r, s] - max over s of scores[r, s])
 *   y[r, d] = (sum over s, ascending, of p[r, s] * V[s, d]) * (1 / sum over s of p[r, s])
 *
 * for the tokens begin .. end - 1, both multiples of 8; masked scores are -infinity and p exactly 0. The sum
 * of p runs in four lanes s mod 4, each ascending, then (0 + 1) + (2 + 3): masked tokens leave its bits
 * alone. The sum over V visits exactly the tokens of each row, since 0 times a NaN left in memory would not
 * be 0: those that all rows share as one tile, the few before and after row by row. It goes block by block of
 * the pool, and in each over all channels, since a head's part of a block is contiguous.
 */
import { exp2x4 } from "../math/exp2";
import {
  BLOCK,
  blockAt,
  LANES,
  scoresOffset,
  storedTokens,
  SUMS_OFFSET,
  TileRow,
  VALUES_OFFSET,
  vOffsetF32,
  weightsOffset,
} from "../layouts/layout-kv";
import { storeValues, tileF32 } from "./attention-tile";
import { maxLanes, sumLanes } from "../math/simd";

/** Writes weights f32[T][4] and the reciprocals of their sums. A NaN score makes its row's sum NaN. */
export function softmax_f32_tile(R: i32, D: i32, S: i32, begin: i32, end: i32, scratch: usize): void {
  for (let r = 0; r < R; r++) {
    const scores = scratch + scoresOffset(D) + ((<usize>r * storedTokens(S)) << 2);
    let max = f32x4.splat(-f32.MAX_VALUE),
      max1 = max;
    for (let s = begin; s < end; s += LANES) {
      max = f32x4.pmax(max, v128.load(scores + ((<usize>s) << 2)));
      max1 = f32x4.pmax(max1, v128.load(scores + ((<usize>s) << 2), 16));
    }
    max = f32x4.splat(maxLanes(f32x4.pmax(max, max1)));
    let sum = f32x4.splat(0);
    let weights = scratch + weightsOffset(S, D) + ((<usize>begin) << 4) + ((<usize>r) << 2);
    for (let s = begin; s < end; s += 4, weights += 64) {
      const p = exp2x4(f32x4.sub(v128.load(scores + ((<usize>s) << 2)), max));
      sum = f32x4.add(sum, p);
      v128.store32_lane(weights, p, 0);
      v128.store32_lane(weights, p, 1, 16);
      v128.store32_lane(weights, p, 2, 32);
      v128.store32_lane(weights, p, 3, 48);
    }
    store<f32>(scratch + SUMS_OFFSET + ((<usize>r) << 2), 1 / sumLanes(sum));
  }
}

/**
 * @param v where the first row's head lies in block 0 of the pool
 * @param headBytes from a row's head to that of the next row, or 0: all rows have one
 */
export function values_vf32(
  R: i32,
  v: usize,
  headBytes: usize,
  blocks: usize,
  blockBytes: usize,
  D: i32,
  S: i32,
  scratch: usize,
): void {
  // Nothing is shared by rows of different heads; a row alone needs no sharing.
  let sharedBegin = 0,
    sharedEnd = headBytes != 0 || R == 1 ? 0 : i32.MAX_VALUE;
  for (let r = 0; r < R; r++) {
    const row = tileRow(scratch, r);
    sharedBegin = max(sharedBegin, row.begin);
    sharedEnd = min(sharedEnd, row.end);
  }
  sharedEnd = max(sharedBegin, sharedEnd); // a narrow window may leave nothing to share
  memory.fill(scratch + VALUES_OFFSET, 0, (<usize>D) << 4);
  const end = tileRow(scratch, R - 1).end;
  for (let s = tileRow(scratch, 0).begin & -BLOCK; s < end; s += BLOCK) {
    const block = blockAt(v, blocks, s, blockBytes);
    for (let r = 0; r < R; r++) {
      const row = tileRow(scratch, r);
      rowValues(r, block + <usize>r * headBytes, D, S, s, row.begin, min(row.end, sharedBegin), scratch);
    }
    if (R == 4) values(4, 0, block, D, S, s, sharedBegin, sharedEnd, scratch);
    else if (R == 3) values(3, 0, block, D, S, s, sharedBegin, sharedEnd, scratch);
    else if (R == 2) values(2, 0, block, D, S, s, sharedBegin, sharedEnd, scratch);
    for (let r = 0; r < R; r++) {
      const row = tileRow(scratch, r);
      rowValues(r, block + <usize>r * headBytes, D, S, s, max(row.begin, sharedEnd), row.end, scratch);
    }
  }
  storeValues(R, D, scratch);
}


@inline
function tileRow(scratch: usize, r: i32): TileRow {
  return changetype<TileRow>(scratch + <usize>r * offsetof<TileRow>());
}

function rowValues(r: i32, block: usize, D: i32, S: i32, s: i32, begin: i32, end: i32, scratch: usize): void {
  values(1, r, block, D, S, s, begin, end, scratch);
}

/**
 * Adds those of the tokens begin .. end - 1 that are in the block whose first is s, for R rows from row r on.
 */
@inline
function values(R: i32, r: i32, block: usize, D: i32, S: i32, s: i32, begin: i32, end: i32, scratch: usize): void {
  const first = max(begin, s);
  const n = min(end, s + BLOCK) - first;
  if (n <= 0) return;
  const weights = scratch + weightsOffset(S, D) + ((<usize>first) << 4) + ((<usize>r) << 2);
  const rowBytes = (<usize>D) << 2;
  const out = scratch + VALUES_OFFSET + <usize>r * rowBytes;
  for (let d = 0; d < D; d += LANES) {
    tileF32(R, weights, block + vOffsetF32(first - s, d), n, out + ((<usize>d) << 2), rowBytes, true);
  }
}
