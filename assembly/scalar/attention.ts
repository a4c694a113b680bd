// Scalar twins of attention*.ts: one row, one token, one channel at a time, over the same pools; no tiles, no
// masks.
import { LOG2E } from "../math/exp2";
import {
  BLOCK,
  blockAt,
  headBytesF32,
  headBytesQs8,
  kOffsetF32,
  kOffsetQs8,
  queriesOffset,
  rowAt,
  scoresOffset,
  vOffsetF32,
  vOffsetQs8,
  weightsOffset,
} from "../layouts/layout-kv";
import { exp2 } from "./exp2";

/** One head of a pool, as one sequence sees it. */
@unmanaged
class Head {
  cache: usize; // where the head lies in block 0
  blocks: usize; // i32[], the sequence's block table
  blockBytes: usize;


  @inline
  block(s: i32): usize {
    return blockAt(this.cache, this.blocks, s, this.blockBytes);
  }
}

/** Head `group` of the pool at `cache`, noted at `at`, where the tile's rows would be. */
function headAt(at: usize, cache: usize, blocks: usize, Hkv: i32, group: i32, headBytes: usize): Head {
  const head = changetype<Head>(at);
  head.cache = cache + <usize>group * headBytes;
  head.blocks = blocks;
  head.blockBytes = <usize>Hkv * headBytes;
  return head;
}

/** Scores of the tokens begin .. end - 1 against K f32, at `scores` f32[T]. */
function scoresF32(q: usize, k: Head, scores: usize, D: i32, begin: i32, end: i32): void {
  const scale = LOG2E / sqrt<f32>(<f32>D);
  for (let s = begin; s < end; s++) {
    let sum: f32 = 0;
    for (let d = 0; d < D; d++)
      sum += load<f32>(q + ((<usize>d) << 2)) * scale * load<f32>(k.block(s) + kOffsetF32(s % BLOCK, d, D));
    store<f32>(scores + ((<usize>s) << 2), sum);
  }
}

/** The same against K int8; `u` is i32[D]. */
function scoresQs8(q: usize, k: Head, u: usize, scores: usize, D: i32, kScale: f32, begin: i32, end: i32): void {
  let absmax: f32 = 0;
  for (let d = 0; d < D; d++) absmax = max<f32>(absmax, abs<f32>(load<f32>(q + ((<usize>d) << 2))));
  const scale = absmax / 8191;
  const factor: f32 = scale * kScale * (LOG2E / sqrt<f32>(<f32>D));
  for (let d = 0; d < D; d++) {
    const rounded = nearest<f32>(load<f32>(q + ((<usize>d) << 2)) / (scale == 0 ? 1 : scale));
    const clamped: f32 = rounded > 8191 ? 8191 : rounded < -8191 ? -8191 : rounded;
    store<i32>(u + ((<usize>d) << 2), clamped == clamped ? <i32>clamped : 0);
  }
  for (let s = begin; s < end; s++) {
    let sum = 0;
    for (let d = 0; d < D; d++) sum += load<i32>(u + ((<usize>d) << 2)) * load<i8>(k.block(s) + kOffsetQs8(s % BLOCK, d, D));
    store<f32>(scores + ((<usize>s) << 2), <f32>sum * factor);
  }
}

/** Adds the biases of a head with that slope, in powers of two, to the scores of the last row's tokens. */
function addBiases(scores: usize, slope: f32, begin: i32, end: i32): void {
  for (let s = begin; s < end; s++) {
    const at = scores + ((<usize>s) << 2);
    store<f32>(at, load<f32>(at) + slope * <f32>(s - (end - 1)));
  }
}

function maxScore(scores: usize, begin: i32, end: i32): f32 {
  let max: f32 = -f32.MAX_VALUE;
  for (let s = begin; s < end; s++) {
    const score = load<f32>(scores + ((<usize>s) << 2));
    if (max < score) max = score;
  }
  return max;
}

/** Softmax and product with V f32. */
function valuesF32(scores: usize, v: Head, y: usize, D: i32, begin: i32, end: i32): void {
  const max = maxScore(scores, begin, end);
  let sum0: f32 = 0,
    sum1: f32 = 0,
    sum2: f32 = 0,
    sum3: f32 = 0;
  for (let s = begin; s < end; s++) {
    const p = exp2(load<f32>(scores + ((<usize>s) << 2)) - max);
    store<f32>(scores + ((<usize>s) << 2), p);
    if ((s & 3) == 0) sum0 += p;
    else if ((s & 3) == 1) sum1 += p;
    else if ((s & 3) == 2) sum2 += p;
    else sum3 += p;
  }
  const factor: f32 = 1 / (sum0 + sum1 + (sum2 + sum3));
  for (let d = 0; d < D; d++) {
    let sum: f32 = 0;
    for (let s = begin; s < end; s++)
      sum += load<f32>(scores + ((<usize>s) << 2)) * load<f32>(v.block(s) + vOffsetF32(s % BLOCK, d));
    store<f32>(y + ((<usize>d) << 2), sum * factor);
  }
}

/** Softmax in quantized blocks and product with V int8; `weights` is f32[T] of whole numbers. */
function valuesQs8(scores: usize, weights: usize, v: Head, y: usize, D: i32, vScale: f32, begin: i32, end: i32): void {
  const max = maxScore(scores, begin, end);
  const firstBlock = begin & -BLOCK;
  let total: f32 = 0;
  for (let b = firstBlock; b < end; b += BLOCK) {
    const blockBegin = b < begin ? begin : b;
    const blockEnd = b + BLOCK < end ? b + BLOCK : end;
    const blockMax = maxScore(scores, blockBegin, blockEnd);
    let sum: f32 = 0;
    for (let s = blockBegin; s < blockEnd; s++) {
      const u = nearest<f32>(exp2(load<f32>(scores + ((<usize>s) << 2)) - blockMax) * 16383);
      store<f32>(weights + ((<usize>s) << 2), u);
      sum += u;
    }
    total += exp2(blockMax - max) * sum;
  }
  const factor = vScale / total;
  for (let d = 0; d < D; d++) {
    let sum: f32 = 0;
    for (let b = firstBlock; b < end; b += BLOCK) {
      const blockBegin = b < begin ? begin : b;
      const blockEnd = b + BLOCK < end ? b + BLOCK : end;
      let dot = 0;
      for (let s = blockBegin; s < blockEnd; s++) {
        const u = load<f32>(weights + ((<usize>s) << 2));
        dot += (u == u ? <i32>u : 0) * load<i8>(v.block(s) + vOffsetQs8(s % BLOCK, d));
      }
      sum += <f32>dot * exp2(maxScore(scores, blockBegin, blockEnd) - max);
    }
    store<f32>(y + ((<usize>d) << 2), sum * factor);
  }
}


@inline
function attention(
  kQs8: bool,
  vQs8: bool,
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
  kScale: f32,
  vScale: f32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  const scores = scratch + scoresOffset(D);
  const heads = H / Hkv;
  for (let unit = begin; unit < end; unit++) {
    const group = unit / (heads * M);
    const m = (unit / heads) % M;
    const h = group * heads + (unit % heads);
    const row = rowAt(rows, m);
    const kHead = headAt(scratch, k, row.blocks, Hkv, group, kQs8 ? headBytesQs8(D) : headBytesF32(D));
    const vHead = headAt(scratch + offsetof<Head>(), v, row.blocks, Hkv, group, vQs8 ? headBytesQs8(D) : headBytesF32(D));
    const query = q + ((<usize>m * stride + <usize>h * D) << 2);
    const out = y + (((<usize>m * H + h) * D) << 2);
    const first = window > 0 ? max(0, row.position - window + 1) : 0;
    const last = row.position + 1;
    if (kQs8) scoresQs8(query, kHead, scratch + queriesOffset(D), scores, D, kScale, first, last);
    else scoresF32(query, kHead, scores, D, first, last);
    if (slopes != 0) addBiases(scores, load<f32>(slopes + ((<usize>h) << 2)) * LOG2E, first, last);
    if (vQs8) valuesQs8(scores, scratch + weightsOffset(S, D), vHead, out, D, vScale, first, last);
    else valuesF32(scores, vHead, out, D, first, last);
  }
}

export function attention_f32_kf32_vf32(
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
  kScale: f32,
  vScale: f32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  attention(false, false, q, k, v, y, rows, slopes, M, stride, H, Hkv, D, S, window, kScale, vScale, begin, end, scratch);
}

export function attention_f32_kqs8_vqs8(
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
  kScale: f32,
  vScale: f32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  attention(true, true, q, k, v, y, rows, slopes, M, stride, H, Hkv, D, S, window, kScale, vScale, begin, end, scratch);
}

export function attention_f32_kqs8_vf32(
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
  kScale: f32,
  vScale: f32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  attention(true, false, q, k, v, y, rows, slopes, M, stride, H, Hkv, D, S, window, kScale, vScale, begin, end, scratch);
}

export function attention_f32_kf32_vqs8(
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
  kScale: f32,
  vScale: f32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  attention(false, true, q, k, v, y, rows, slopes, M, stride, H, Hkv, D, S, window, kScale, vScale, begin, end, scratch);
}
