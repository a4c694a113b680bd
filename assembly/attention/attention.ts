/**
 * Causal attention of M new rows over a KV cache, with grouped-query heads and an optional sliding window:
 *
 *   y[m, h, :] = sum over s of softmax over s of (q[m, h] . K[g, s] / sqrt(D)) * V[g, s, :],   g = floor(h * Hkv / H)
 *   s from max(0, p - window + 1) (from 0 where window is 0) to p = position + m
 *
 *   q       rows of `stride` f32, head h at h * D
 *   k, v    caches of layout-kv.ts that already hold the tokens up to position + M - 1; int8 ones are worth kScale, vScale a unit
 *   y       f32[M, H * D]; the units begin .. end - 1 are written
 *   scratch attention_scratch_bytes(M, S, D), of the calling thread alone
 *
 * Units: H * M query rows, ordered by K/V head, then m, then head of the group. Preconditions: Hkv divides H, D % 8 == 0, 8 <= D <= 2048, position + M <= S, pointers aligned to 4 bytes (16 is faster). No over-read past
 * the bytes that layout-kv.ts counts.
 *
 * Rows of all query heads that share a K/V head form tiles of four: neighbouring tokens in prefill, the heads of a group in
 * decode, so that either reuses what it loads. A row's bits depend on its query and on the cache at its own positions only:
 * each lane sums one row in an order fixed from position 0, and masked tokens add exactly 0 (attention-v*.ts). So any chunking,
 * any split of heads and any mix of rows in a tile give the same bits. NaN in q, or in an f32 cache where the row attends,
 * gives NaN.
 *
 * Measured on one Sapphire Rapids core, Node 20, 9 heads over 3, D = 64, per layer: prefill of 512 tokens 6.6 ms int8 (23 GMAC/s),
 * 8.7 ms f32 (17); one row at depth 4096 0.20 ms int8 (8 GB/s of cache), 0.33 ms f32 (19 GB/s).
 */
import { gather_queries_f32, scores_kf32 } from "./attention-kf32";
import { gather_queries_qs8, scores_kqs8 } from "./attention-kqs8";
import { softmax_f32_tile, values_vf32 } from "./attention-vf32";
import { combine_blocks_qs8, quantize_weights_qs8, values_vqs8 } from "./attention-vqs8";
import { BLOCK, headBytesF32, headBytesQs8, LANES, scoresOffset, storedTokens, TILE_ROWS, TileRow } from "../layouts/layout-kv";

/** kQs8 and vQs8 are literals. */
@inline
function attention(
  kQs8: bool,
  vQs8: bool,
  q: usize,
  k: usize,
  v: usize,
  y: usize,
  M: i32,
  position: i32,
  stride: i32,
  H: i32,
  Hkv: i32,
  D: i32,
  S: i32,
  window: i32,
  kScale: f32,
  vScale: f32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  assert(D % LANES == 0 && D <= 2048 && H % Hkv == 0 && position + M <= S && 0 <= begin && end <= H * M);
  const heads = H / Hkv;
  const groupUnits = heads * M;
  for (let unit = begin; unit < end;) {
    const group = unit / groupUnits;
    const kHead = k + <usize>group * (kQs8 ? headBytesQs8(S, D) : headBytesF32(S, D));
    const vHead = v + <usize>group * (vQs8 ? headBytesQs8(S, D) : headBytesF32(S, D));
    for (const groupEnd = min(end, (group + 1) * groupUnits); unit < groupEnd; unit += TILE_ROWS) {
      const R = min(groupEnd - unit, TILE_ROWS);
      for (let r = 0; r < R; r++) {
        const m = (unit + r - group * groupUnits) / heads;
        const h = group * heads + ((unit + r - group * groupUnits) % heads);
        const row = changetype<TileRow>(scratch + <usize>r * offsetof<TileRow>());
        row.query = q + ((<usize>m * stride + <usize>h * D) << 2);
        row.y = y + (((<usize>m * H + h) * D) << 2);
        row.begin = window > 0 ? max(0, position + m - window + 1) : 0;
        row.end = position + m + 1;
      }
      // Rows ascend, so the first begins and the last ends the tile's range.
      const tileBegin = changetype<TileRow>(scratch).begin & -BLOCK;
      const tileEnd = storedTokens(changetype<TileRow>(scratch + <usize>(R - 1) * offsetof<TileRow>()).end);
      if (kQs8) gather_queries_qs8(R, D, kScale, scratch);
      else gather_queries_f32(R, D, scratch);
      if (vQs8) {
        // Block by block, so that a block's scores are still in the first-level cache when they become weights.
        for (let s = tileBegin; s < tileEnd; s += BLOCK) {
          scores(kQs8, R, kHead, D, S, s, min(tileEnd, s + BLOCK), scratch);
          quantize_weights_qs8(R, D, S, s, tileEnd, scratch);
        }
        combine_blocks_qs8(D, S, vScale, tileBegin, tileEnd, scratch);
        values_vqs8(R, vHead, D, S, tileBegin, tileEnd, scratch);
      } else {
        scores(kQs8, R, kHead, D, S, tileBegin, tileEnd, scratch);
        softmax_f32_tile(R, D, S, tileBegin, tileEnd, scratch);
        values_vf32(R, vHead, D, S, scratch);
      }
    }
    unit = min(end, (group + 1) * groupUnits);
  }
}

/** Scores of the tokens begin .. end - 1, those that a row does not attend to replaced. */
@inline
function scores(kQs8: bool, R: i32, k: usize, D: i32, S: i32, begin: i32, end: i32, scratch: usize): void {
  if (kQs8) scores_kqs8(R, k, D, S, begin, end, scratch);
  else scores_kf32(R, k, D, S, begin, end, scratch);
  for (let r = 0; r < R; r++) {
    const row = changetype<TileRow>(scratch + <usize>r * offsetof<TileRow>());
    const scores = scratch + scoresOffset(D) + ((<usize>r * storedTokens(S)) << 2);
    for (let s = begin; s < min(row.begin, end); s++) store<f32>(scores + ((<usize>s) << 2), -f32.POSITIVE_INFINITY);
    for (let s = max(row.end, begin); s < end; s++) store<f32>(scores + ((<usize>s) << 2), -f32.POSITIVE_INFINITY);
  }
}

export function attention_f32_kf32_vf32(
  q: usize,
  k: usize,
  v: usize,
  y: usize,
  M: i32,
  position: i32,
  stride: i32,
  H: i32,
  Hkv: i32,
  D: i32,
  S: i32,
  window: i32,
  kScale: f32,
  vScale: f32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  attention(false, false, q, k, v, y, M, position, stride, H, Hkv, D, S, window, kScale, vScale, begin, end, scratch);
}

export function attention_f32_kqs8_vqs8(
  q: usize,
  k: usize,
  v: usize,
  y: usize,
  M: i32,
  position: i32,
  stride: i32,
  H: i32,
  Hkv: i32,
  D: i32,
  S: i32,
  window: i32,
  kScale: f32,
  vScale: f32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  attention(true, true, q, k, v, y, M, position, stride, H, Hkv, D, S, window, kScale, vScale, begin, end, scratch);
}

export function attention_f32_kqs8_vf32(
  q: usize,
  k: usize,
  v: usize,
  y: usize,
  M: i32,
  position: i32,
  stride: i32,
  H: i32,
  Hkv: i32,
  D: i32,
  S: i32,
  window: i32,
  kScale: f32,
  vScale: f32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  attention(true, false, q, k, v, y, M, position, stride, H, Hkv, D, S, window, kScale, vScale, begin, end, scratch);
}

export function attention_f32_kf32_vqs8(
  q: usize,
  k: usize,
  v: usize,
  y: usize,
  M: i32,
  position: i32,
  stride: i32,
  H: i32,
  Hkv: i32,
  D: i32,
  S: i32,
  window: i32,
  kScale: f32,
  vScale: f32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  attention(false, true, q, k, v, y, M, position, stride, H, Hkv, D, S, window, kScale, vScale, begin, end, scratch);
}
