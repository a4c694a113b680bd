/**
 * Attention of M new rows over a KV cache, with grouped-query heads and an optional sliding window:
 *
 *   y[m, h, :]  = sum over s of softmax over s of score[m, h, s] * V[g, s, :],      g = floor(h * Hkv / H)
 *   score       = capped(q[m, h] . K[g, s] / divisor) + slopes[h] * (s - p),        p = rows[m].position
 *   capped(x)   = cap * tanh(x / cap); x itself where cap is 0
 *   s from max(0, p - window + 1) to min(visible[m], p + window) - 1; without the window where it is 0.
 *   Causal where `visible` is p + 1; a row that sees tokens behind it has them in the same call or before
 *
 *   q       rows of `stride` f32, head h at h * D
 *   k, v    pools of layout-kv.ts; static int8 ones (qs8) are worth kScale, vScale a unit; dynamic ones (qd8)
 *           have scales of their own
 *   y       f32[M, H * D]; the units begin .. end - 1 are written
 *   rows    Row[M] of layout-kv.ts, then visible i32[M]; rows of one sequence follow one another in
 *           ascending positions
 *   slopes  f32[H] (alibi.ts), or 0: none
 *   divisor of scores: the root of D in most models
 *   scratch attention_scratch_bytes(M, S, D), of the calling thread alone
 *
 * Units: H * M query rows, ordered by K/V head, then m, then head of the group. Preconditions: Hkv divides H,
 * D % 8 == 0, 8 <= D <= 2048, the pools hold each sequence up to its last row, all positions are below S,
 * pointers are aligned to 4 bytes (16 is faster). No over-read past the bytes that layout-kv.ts counts.
 *
 * Rows of all query heads that share a K/V head and a sequence form tiles of four: neighbouring tokens in
 * prefill, the heads of a group in decode, so that either reuses what it loads. A tile ends where the block
 * table changes. A row that shares its K/V head with no other is taken with those of the next three heads:
 * their parts of a block lie side by side, and memory gives one long run sooner than four short ones
 * (measured: one row at 4095, 32 heads, D = 128, int8, on one EPYC core: 5.0 ms head by head, 2.8 so; with
 * each head in one piece for all tokens it was 2.7).
 *
 * A row's bits depend on its query and on the cache where it attends only: each lane sums one row in an
 * order fixed from position 0, and masked tokens add exactly 0 (attention-v*.ts). So any chunking, any split
 * of heads, any mix of sequences and any places of their blocks give the same bits. NaN in q, or in an f32
 * cache where the row attends, gives NaN.
 *
 * Measured on one Sapphire Rapids core, Node 20, 9 heads over 3, D = 64, per layer: prefill of 512 tokens 6.6
 * ms int8 (23 GMAC/s), 8.7 ms f32 (17); one row at depth 4096 0.20 ms int8 (8 GB/s of cache), 0.33 ms f32 (19
 * GB/s).
 */
import { LOG2E } from "../math/exp2";
import { softcap } from "../elementwise/softcap";
import { add_biases_f32_tile } from "./alibi";
import { gather_queries_f32, scores_kf32 } from "./attention-kf32";
import { scale_scores_kqd8 } from "./attention-kqd8";
import { gather_queries_qs8, scores_kqs8 } from "./attention-kqs8";
import { softmax_f32_tile, values_vf32 } from "./attention-vf32";
import { combine_blocks_qd8, quantize_weights_qd8 } from "./attention-vqd8";
import { combine_blocks_qs8, quantize_weights_qs8, values_vqs8 } from "./attention-vqs8";
import {
  BLOCK,
  blockAt,
  headBytesF32,
  headBytesQd8,
  headBytesQs8,
  LANES,
  rowAt,
  scoresOffset,
  storedTokens,
  TILE_ROWS,
  TileRow,
  visibleTo,
} from "../layouts/layout-kv";

/** How keys or values lie in their pool. */
export const F32: i32 = 0;
export const QS8: i32 = 1;
export const QD8: i32 = 2;

/**
 * One function for all kinds (attention-kinds.ts): they part only between its loops, once for each block of a
 * tile.
 */
export function attention(
  kKind: i32,
  vKind: i32,
  q: usize,
  k: usize,
  v: usize,
  y: usize,
  rows: usize,
  slopes: usize,
  M: i32,
  stride: i32,
  H: i32,
  Hkv: i32,
  D: i32,
  S: i32,
  window: i32,
  divisor: f32,
  cap: f32,
  kScale: f32,
  vScale: f32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  assert(D % LANES == 0 && D <= 2048 && H % Hkv == 0 && 0 <= begin && end <= H * M);
  const heads = H / Hkv;
  const groupUnits = heads * M;
  const kHeadBytes = headBytes(kKind, D);
  const vHeadBytes = headBytes(vKind, D);
  if (kKind == QD8) kScale = 1;
  for (let unit = begin; unit < end;) {
    const group = unit / groupUnits;
    const first = (unit - group * groupUnits) / heads;
    const blocks = rowAt(rows, first).blocks;
    const apart = heads == 1 && standsAlone(rows, first, M);
    // Every fourth of the row's heads in this range stands for itself and the three that follow.
    if (apart && (group - (begin - first + M - 1) / M) % TILE_ROWS != 0) {
      unit++;
      continue;
    }
    const last = apart ? end : min(end, (group + 1) * groupUnits);
    let R = 0;
    for (let u = unit; R < TILE_ROWS && u < last; R++, u += apart ? M : 1) {
      const m = (u % groupUnits) / heads;
      const h = (u / groupUnits) * heads + (u % heads);
      const token = rowAt(rows, m);
      if (token.blocks != blocks) break;
      const row = changetype<TileRow>(scratch + <usize>R * offsetof<TileRow>());
      row.query = q + ((<usize>m * stride + <usize>h * D) << 2);
      row.y = y + (((<usize>m * H + h) * D) << 2);
      row.begin = window > 0 ? max(0, token.position - window + 1) : 0;
      row.end = visibleTo(rows, M, m);
      if (window > 0) row.end = min(row.end, token.position + window);
      if (slopes != 0) row.slope = load<f32>(slopes + ((<usize>h) << 2)) * LOG2E;
    }
    unit += apart ? 1 : R;
    // Rows ascend, so the first begins and the last ends the tile's range.
    const tileBegin = changetype<TileRow>(scratch).begin & -BLOCK;
    const tileEnd = storedTokens(changetype<TileRow>(scratch + <usize>(R - 1) * offsetof<TileRow>()).end);
    if (kKind != F32) gather_queries_qs8(R, D, kScale, divisor, scratch);
    else gather_queries_f32(R, D, divisor, scratch);
    const kHead = k + <usize>group * kHeadBytes;
    const vHead = v + <usize>group * vHeadBytes;
    for (let s = tileBegin; s < tileEnd; s += BLOCK) {
      const blockEnd = min(tileEnd, s + BLOCK);
      const kBlock = blockAt(kHead, blocks, s, <usize>Hkv * kHeadBytes);
      if (kKind != F32) scores_kqs8(R, kBlock, apart ? kHeadBytes : 0, D, S, s, blockEnd, scratch);
      else scores_kf32(R, kBlock, apart ? kHeadBytes : 0, D, S, s, blockEnd, scratch);
      if (kKind == QD8) scale_scores_kqd8(R, kBlock, apart ? kHeadBytes : 0, D, S, s, blockEnd, scratch);
      if (cap != 0) cap_scores(R, D, S, s, blockEnd, cap * LOG2E, scratch);
      if (slopes != 0) add_biases_f32_tile(R, D, S, s, blockEnd, scratch);
      mask(R, D, S, s, blockEnd, scratch);
      // At once, while the block's scores are in the first-level cache.
      if (vKind == QS8) quantize_weights_qs8(R, D, S, s, tileEnd, scratch);
      else if (vKind == QD8) {
        const vBlock = blockAt(vHead, blocks, s, <usize>Hkv * vHeadBytes);
        quantize_weights_qd8(R, vBlock, apart ? vHeadBytes : 0, D, S, s, tileEnd, scratch);
      }
    }
    if (vKind != F32) {
      if (vKind == QS8) combine_blocks_qs8(D, S, vScale, tileBegin, tileEnd, scratch);
      else combine_blocks_qd8(D, S, tileBegin, tileEnd, scratch);
      values_vqs8(R, vHead, apart ? vHeadBytes : 0, blocks, <usize>Hkv * vHeadBytes, D, S, tileBegin, tileEnd, scratch);
    } else {
      softmax_f32_tile(R, D, S, tileBegin, tileEnd, scratch);
      values_vf32(R, vHead, apart ? vHeadBytes : 0, blocks, <usize>Hkv * vHeadBytes, D, S, scratch);
    }
  }
}

/** Bytes of one head of a block. */
@inline
function headBytes(kind: i32, D: i32): usize {
  return kind == F32 ? headBytesF32(D) : kind == QS8 ? headBytesQs8(D) : headBytesQd8(D);
}

/** Whether row m is the only one of its sequence. */
@inline
function standsAlone(rows: usize, m: i32, M: i32): bool {
  const blocks = rowAt(rows, m).blocks;
  return (m == 0 || rowAt(rows, m - 1).blocks != blocks) && (m == M - 1 || rowAt(rows, m + 1).blocks != blocks);
}

/** Caps scores in powers of two, of the tokens begin .. end - 1. */
@inline
function cap_scores(R: i32, D: i32, S: i32, begin: i32, end: i32, cap: f32, scratch: usize): void {
  for (let r = 0; r < R; r++) {
    softcap(scratch + scoresOffset(D) + ((<usize>r * storedTokens(S) + begin) << 2), end - begin, cap);
  }
}

/** Replaces scores, of the tokens begin .. end - 1, that a row does not attend to. */
@inline
function mask(R: i32, D: i32, S: i32, begin: i32, end: i32, scratch: usize): void {
  for (let r = 0; r < R; r++) {
    const row = changetype<TileRow>(scratch + <usize>r * offsetof<TileRow>());
    const scores = scratch + scoresOffset(D) + ((<usize>r * storedTokens(S)) << 2);
    for (let s = begin; s < min(row.begin, end); s++) store<f32>(scores + ((<usize>s) << 2), -f32.POSITIVE_INFINITY);
    for (let s = max(row.end, begin); s < end; s++) store<f32>(scores + ((<usize>s) << 2), -f32.POSITIVE_INFINITY);
  }
}
