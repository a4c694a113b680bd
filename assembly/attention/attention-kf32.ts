/**
 * Scores of a tile against an f32 K cache, in powers of two:
 *
 *   scores[r, s] = sum over d, ascending, of (q[r, d] * log2(e) / sqrt(D)) * K[s, d]
 *
 * for the tokens begin .. end - 1, both multiples of 8. Tokens outside a row's range give any value: attention.ts masks them.
 */
import { LOG2E } from "../math/exp2";
import { kOffsetF32, LANES, QUERIES_OFFSET, scoresOffset, storedTokens, TileRow } from "../layouts/layout-kv";
import { tileF32 } from "./attention-tile";

/** Scales the tile's queries and stores them as f32[D][4]. */
export function gather_queries_f32(R: i32, D: i32, scratch: usize): void {
  const scale = LOG2E / sqrt<f32>(<f32>D);
  for (let r = 0; r < R; r++) {
    let query = changetype<TileRow>(scratch + <usize>r * offsetof<TileRow>()).query;
    let target = scratch + QUERIES_OFFSET + ((<usize>r) << 2);
    for (const end = query + ((<usize>D) << 2); query < end; query += 4, target += 16)
      store<f32>(target, load<f32>(query) * scale);
  }
}

export function scores_kf32(R: i32, k: usize, D: i32, S: i32, begin: i32, end: i32, scratch: usize): void {
  if (R == 4) scores(4, k, D, S, begin, end, scratch);
  else if (R == 3) scores(3, k, D, S, begin, end, scratch);
  else if (R == 2) scores(2, k, D, S, begin, end, scratch);
  else scores(1, k, D, S, begin, end, scratch);
}


@inline
function scores(R: i32, k: usize, D: i32, S: i32, begin: i32, end: i32, scratch: usize): void {
  const queries = scratch + QUERIES_OFFSET;
  const out = scratch + scoresOffset(D);
  const rowBytes = (<usize>storedTokens(S)) << 2;
  for (let s = begin; s < end; s += LANES) {
    tileF32(R, queries, k + kOffsetF32(s, 0, D), D, out + ((<usize>s) << 2), rowBytes, false);
  }
}
