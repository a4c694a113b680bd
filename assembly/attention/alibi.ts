/**
 * Attention with linear biases (Press et al. 2022), on top of a tile's scores in powers of two:
 *
 *   scores[r, s] += (slopes[h] * log2(e)) * (s - p)      product rounded, then the sum
 *
 * for the tokens begin .. end - 1, both multiples of 8, where p is the row's position and h its head; those
 * that a row does not attend to get any value. Distances are whole numbers, exact in f32 below 2^24.
 */
import { LANES, scoresOffset, storedTokens, TileRow } from "../layouts/layout-kv";

export function add_biases_f32_tile(R: i32, D: i32, S: i32, begin: i32, end: i32, scratch: usize): void {
  for (let r = 0; r < R; r++) {
    const row = changetype<TileRow>(scratch + <usize>r * offsetof<TileRow>());
    const slope = f32x4.splat(row.slope);
    let distance = i32x4.add(i32x4.splat(begin - (row.end - 1)), i32x4(0, 1, 2, 3));
    let scores = scratch + scoresOffset(D) + ((<usize>r * storedTokens(S) + begin) << 2);
    for (let s = begin; s < end; s += LANES, scores += 32) {
      v128.store(scores, f32x4.add(v128.load(scores), f32x4.mul(slope, f32x4.convert_i32x4_s(distance))));
      distance = i32x4.add(distance, i32x4.splat(4));
      v128.store(scores, f32x4.add(v128.load(scores, 16), f32x4.mul(slope, f32x4.convert_i32x4_s(distance))), 16);
      distance = i32x4.add(distance, i32x4.splat(4));
    }
  }
}
