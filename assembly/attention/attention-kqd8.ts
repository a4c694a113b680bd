/**
 * What dynamic int8 keys add to attention-kqs8.ts, computed there with kScale = 1: the scale of each token.
 *
 *   scores[r, s] *= scale[s]                                       product rounded
 *
 * for the tokens begin .. end - 1 of one block of the pool, both multiples of 8, begin its first. Scales of
 * tokens never appended may be anything: attention.ts masks those scores. A scale of NaN gives NaN.
 *
 * Apart from the tile, whose code stays that of one scale: it is a product for each token where the tile
 * has D.
 */
import { LANES, scaleOffsetQd8, scoresOffset, storedTokens } from "../layouts/layout-kv";

/**
 * @param k where the first row's head lies in the block
 * @param headBytes from a row's head to that of the next row, or 0: all rows have one
 */
export function scale_scores_kqd8(
  R: i32,
  k: usize,
  headBytes: usize,
  D: i32,
  S: i32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  let scales = k + scaleOffsetQd8(0, D);
  let row = scratch + scoresOffset(D) + ((<usize>begin) << 2);
  const bytes = (<usize>(end - begin)) << 2;
  for (let r = 0; r < R; r++, scales += headBytes, row += (<usize>storedTokens(S)) << 2) {
    for (let i: usize = 0; i < bytes; i += LANES << 2) {
      const scores = row + i;
      v128.store(scores, f32x4.mul(v128.load(scores), v128.load(scales + i)));
      v128.store(scores, f32x4.mul(v128.load(scores, 16), v128.load(scales + i, 16)), 16);
    }
  }
}
