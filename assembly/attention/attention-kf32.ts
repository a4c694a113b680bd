/**
 * Scores of a tile against an f32 K cache, in powers of two:
 *
 *   scores[r, s] = sum over d, ascending, of (q[r, d] * (log2(e) / divisor)) * K[s, d]
 *
 * for the tokens begin .. end - 1 of one block of the pool, both multiples of 8, begin its first. Tokens
 * outside a row's range give any value: attention.ts masks them.
 */
import { LOG2E } from "../math/exp2";
import { kOffsetF32, LANES, queriesOffset, scoresOffset, storedTokens, TileRow } from "../layouts/layout-kv";
import { tileF32 } from "./attention-tile";

/** Scales the tile's queries and stores them as f32[D][4]. */
export function gather_queries_f32(R: i32, D: i32, divisor: f32, scratch: usize): void {
  const scale = LOG2E / divisor;
  for (let r = 0; r < R; r++) {
    let query = changetype<TileRow>(scratch + <usize>r * offsetof<TileRow>()).query;
    let target = scratch + queriesOffset(D) + ((<usize>r) << 2);
    for (const end = query + ((<usize>D) << 2); query < end; query += 4, target += 16)
      store<f32>(target, load<f32>(query) * scale);
  }
}

/** @param headBytes from a row's head to that of the next row, or 0: all rows have one */
export function scores_kf32(R: i32, k: usize, headBytes: usize, D: i32, S: i32, begin: i32, end: i32, scratch: usize): void {
  if (R == 1 || headBytes != 0) for (let r = 0; r < R; r++) scores(1, r, k + <usize>r * headBytes, D, S, begin, end, scratch);
  else if (R == 2) scores(2, 0, k, D, S, begin, end, scratch);
  else if (R == 3) scores(3, 0, k, D, S, begin, end, scratch);
  else scores(4, 0, k, D, S, begin, end, scratch);
}

/** Scores of R rows from row r on. */
@inline
function scores(R: i32, r: i32, k: usize, D: i32, S: i32, begin: i32, end: i32, scratch: usize): void {
  const queries = scratch + queriesOffset(D) + ((<usize>r) << 2);
  const rowBytes = (<usize>storedTokens(S)) << 2;
  const out = scratch + scoresOffset(D) + <usize>r * rowBytes;
  for (let s = begin; s < end; s += LANES) {
    tileF32(R, queries, k + kOffsetF32(s - begin, 0, D), D, out + ((<usize>s) << 2), rowBytes, false);
  }
}
