/**
 * Softmax of a tile's scores and its product with an f32 V cache:
 *
 *   p[r, s] = 2^(scores[r, s] - max over s of scores[r, s])
 *   y[r, d] = (sum over s, ascending, of p[r, s] * V[s, d]) * (1 / sum over s of p[r, s])
 *
 * for the tokens begin .. end - 1, both multiples of 8; masked scores are -infinity and p exactly 0.
 * The sum of p runs in four lanes s mod 4, each ascending, then (0 + 1) + (2 + 3): masked tokens leave its bits alone.
 * The sum over V visits exactly the tokens of each row, since 0 times a NaN left in memory would not be 0: those that all rows
 * share as one tile, the few before and after row by row.
 */
import { exp2x4 } from "../math/exp2";
import {
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

export function values_vf32(R: i32, v: usize, D: i32, S: i32, scratch: usize): void {
  let sharedBegin = 0,
    sharedEnd = i32.MAX_VALUE;
  for (let r = 0; r < R; r++) {
    const row = changetype<TileRow>(scratch + <usize>r * offsetof<TileRow>());
    sharedBegin = max(sharedBegin, row.begin);
    sharedEnd = min(sharedEnd, row.end);
  }
  sharedEnd = max(sharedBegin, sharedEnd); // a narrow window may leave nothing to share
  for (let d = 0; d < D; d += LANES) {
    const out = scratch + VALUES_OFFSET;
    memory.fill(out, 0, 128);
    for (let r = 0; r < R; r++) {
      const row = changetype<TileRow>(scratch + <usize>r * offsetof<TileRow>());
      rowValues(r, v, d, D, S, row.begin, min(row.end, sharedBegin), scratch);
    }
    const weights = scratch + weightsOffset(S, D) + ((<usize>sharedBegin) << 4);
    const data = v + vOffsetF32(sharedBegin, d, S);
    const n = sharedEnd - sharedBegin;
    if (R == 4) tileF32(4, weights, data, n, out, 32, true);
    else if (R == 3) tileF32(3, weights, data, n, out, 32, true);
    else if (R == 2) tileF32(2, weights, data, n, out, 32, true);
    else tileF32(1, weights, data, n, out, 32, true);
    for (let r = 0; r < R; r++) {
      const row = changetype<TileRow>(scratch + <usize>r * offsetof<TileRow>());
      rowValues(r, v, d, D, S, max(row.begin, sharedEnd), row.end, scratch);
      storeValues(r, row.y + ((<usize>d) << 2), scratch);
    }
  }
}

/** The tokens begin .. end - 1 of one row, on top of what its accumulators hold. */
function rowValues(r: i32, v: usize, d: i32, D: i32, S: i32, begin: i32, end: i32, scratch: usize): void {
  if (begin >= end) return;
  const weights = scratch + weightsOffset(S, D) + ((<usize>begin) << 4) + ((<usize>r) << 2);
  tileF32(1, weights, v + vOffsetF32(begin, d, S), end - begin, scratch + VALUES_OFFSET + ((<usize>r) << 5), 32, true);
}
