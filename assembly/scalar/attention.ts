// Scalar twins of attention*.ts: one row, one token, one channel at a time, over the same pools; no tiles, no
// masks.
import { LOG2E } from "../math/exp2";
import {
  BLOCK,
  blockAt,
  headBytesF32,
  headBytesQd8,
  headBytesQs8,
  kOffsetF32,
  kOffsetQs8,
  queriesOffset,
  rowAt,
  scaleOffsetQd8,
  scoresOffset,
  vOffsetF32,
  vOffsetQs8,
  weightsOffset,
  visibleTo,
} from "../layouts/layout-kv";
import { F32, QD8, QS8 } from "../attention/attention";
import { LEAST_WEIGHT } from "../attention/attention-vqd8";
import { exp2 } from "./exp2";
import { softcap } from "./softcap";

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
function scoresF32(q: usize, k: Head, scores: usize, D: i32, divisor: f32, begin: i32, end: i32): void {
  const scale = LOG2E / divisor;
  for (let s = begin; s < end; s++) {
    let sum: f32 = 0;
    for (let d = 0; d < D; d++)
      sum += load<f32>(q + ((<usize>d) << 2)) * scale * load<f32>(k.block(s) + kOffsetF32(s % BLOCK, d, D));
    store<f32>(scores + ((<usize>s) << 2), sum);
  }
}

/** The same against K int8; `u` is i32[D]. */
function scoresQs8(q: usize, k: Head, u: usize, scores: usize, D: i32, kScale: f32, divisor: f32, begin: i32, end: i32): void {
  let absmax: f32 = 0;
  for (let d = 0; d < D; d++) absmax = max<f32>(absmax, abs<f32>(load<f32>(q + ((<usize>d) << 2))));
  const scale = absmax / 8191;
  const factor: f32 = scale * kScale * (LOG2E / divisor);
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

/** Dynamic int8: the score of each token times its scale. */
function scaleScores(k: Head, scores: usize, D: i32, begin: i32, end: i32): void {
  for (let s = begin; s < end; s++) {
    const at = scores + ((<usize>s) << 2);
    store<f32>(at, load<f32>(at) * load<f32>(k.block(s) + scaleOffsetQd8(s % BLOCK, D)));
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

/** Lane s % 8 of eight sums at `lanes`, f32[8]. */
@inline
function addToLane(lanes: usize, s: i32, x: f32): void {
  const at = lanes + ((<usize>(s & 7)) << 2);
  store<f32>(at, load<f32>(at) + x);
}


@inline
function lane(lanes: usize, i: i32): f32 {
  return load<f32>(lanes + ((<usize>i) << 2)) + load<f32>(lanes + ((<usize>(i + 4)) << 2));
}

/**
 * Weights of one block's part begin .. end - 1, its unit and its sum of probabilities for dynamic V: f32 at
 * `unit` and `unit` + 4. `lanes` is f32[8].
 */
function weighBlock(scores: usize, weights: usize, v: Head, D: i32, begin: i32, end: i32, lanes: usize, unit: usize): void {
  const blockMax = maxScore(scores, begin, end);
  let largest = LEAST_WEIGHT;
  memory.fill(lanes, 0, 32);
  for (let s = begin; s < end; s++) {
    const p = exp2(load<f32>(scores + ((<usize>s) << 2)) - blockMax);
    addToLane(lanes, s, p);
    const w: f32 = p == 0 ? 0 : p * load<f32>(v.block(s) + scaleOffsetQd8(s % BLOCK, D));
    store<f32>(weights + ((<usize>s) << 2), w);
    largest = max<f32>(largest, w);
  }
  store<f32>(unit, largest / 16383);
  store<f32>(unit + 4, lane(lanes, 0) + lane(lanes, 1) + (lane(lanes, 2) + lane(lanes, 3)));
  const toUnits: f32 = 1 / load<f32>(unit);
  for (let s = begin; s < end; s++) {
    const at = weights + ((<usize>s) << 2);
    store<f32>(at, nearest<f32>(load<f32>(at) * toUnits));
  }
}

/** The same for V with a scale for each token; `work` is f32[10]. */
function valuesQd8(scores: usize, weights: usize, v: Head, y: usize, D: i32, begin: i32, end: i32, work: usize): void {
  const max = maxScore(scores, begin, end);
  const firstBlock = begin & -BLOCK;
  const unit = work + 32;
  let total: f32 = 0;
  for (let b = firstBlock; b < end; b += BLOCK) {
    const blockBegin = b < begin ? begin : b;
    const blockEnd = b + BLOCK < end ? b + BLOCK : end;
    weighBlock(scores, weights, v, D, blockBegin, blockEnd, work, unit);
    total += exp2(maxScore(scores, blockBegin, blockEnd) - max) * load<f32>(unit + 4);
  }
  const factor: f32 = 1 / total;
  for (let d = 0; d < D; d++) {
    let sum: f32 = 0;
    for (let b = firstBlock; b < end; b += BLOCK) {
      const blockBegin = b < begin ? begin : b;
      const blockEnd = b + BLOCK < end ? b + BLOCK : end;
      weighBlock(scores, weights, v, D, blockBegin, blockEnd, work, unit);
      let dot = 0;
      for (let s = blockBegin; s < blockEnd; s++) {
        const u = load<f32>(weights + ((<usize>s) << 2));
        dot += (u == u ? <i32>u : 0) * load<i8>(v.block(s) + vOffsetQs8(s % BLOCK, d));
      }
      sum += <f32>dot * (exp2(maxScore(scores, blockBegin, blockEnd) - max) * load<f32>(unit));
    }
    store<f32>(y + ((<usize>d) << 2), sum * factor);
  }
}


@inline
function headBytes(kind: i32, D: i32): usize {
  return kind == F32 ? headBytesF32(D) : kind == QS8 ? headBytesQs8(D) : headBytesQd8(D);
}

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
  const scores = scratch + scoresOffset(D);
  const heads = H / Hkv;
  for (let unit = begin; unit < end; unit++) {
    const group = unit / (heads * M);
    const m = (unit / heads) % M;
    const h = group * heads + (unit % heads);
    const row = rowAt(rows, m);
    const kHead = headAt(scratch, k, row.blocks, Hkv, group, headBytes(kKind, D));
    const vHead = headAt(scratch + offsetof<Head>(), v, row.blocks, Hkv, group, headBytes(vKind, D));
    const query = q + ((<usize>m * stride + <usize>h * D) << 2);
    const out = y + (((<usize>m * H + h) * D) << 2);
    const first = window > 0 ? max(0, row.position - window + 1) : 0;
    const visible = visibleTo(rows, M, m);
    const last = window > 0 ? min(visible, row.position + window) : visible;
    if (kKind == F32) scoresF32(query, kHead, scores, D, divisor, first, last);
    else scoresQs8(query, kHead, scratch + queriesOffset(D), scores, D, kKind == QD8 ? 1 : kScale, divisor, first, last);
    if (kKind == QD8) scaleScores(kHead, scores, D, first, last);
    if (cap != 0) softcap(scores + ((<usize>first) << 2), last - first, cap * LOG2E);
    if (slopes != 0) addBiases(scores, load<f32>(slopes + ((<usize>h) << 2)) * LOG2E, first, last);
    const weights = scratch + weightsOffset(S, D);
    if (vKind == F32) valuesF32(scores, vHead, out, D, first, last);
    else if (vKind == QS8) valuesQs8(scores, weights, vHead, out, D, vScale, first, last);
    else valuesQd8(scores, weights, vHead, out, D, first, last, scratch + queriesOffset(D));
  }
}
