// Scalar twins of attention*.ts: one row, one token, one channel at a time, over the same caches; no tiles, no masks.
import { LOG2E } from "../math/exp2";
import {
  BLOCK,
  headBytesF32,
  headBytesQs8,
  kOffsetF32,
  kOffsetQs8,
  QUERIES_OFFSET,
  scoresOffset,
  vOffsetF32,
  vOffsetQs8,
  weightsOffset,
} from "../layouts/layout-kv";
import { exp2 } from "./exp2";

/** Scores of the tokens begin .. end - 1 against K f32, at `scores` f32[T]. */
function scoresF32(q: usize, k: usize, scores: usize, D: i32, begin: i32, end: i32): void {
  const scale = LOG2E / sqrt<f32>(<f32>D);
  for (let s = begin; s < end; s++) {
    let sum: f32 = 0;
    for (let d = 0; d < D; d++) sum += load<f32>(q + ((<usize>d) << 2)) * scale * load<f32>(k + kOffsetF32(s, d, D));
    store<f32>(scores + ((<usize>s) << 2), sum);
  }
}

/** The same against K int8; `u` is i32[D]. */
function scoresQs8(q: usize, k: usize, u: usize, scores: usize, D: i32, kScale: f32, begin: i32, end: i32): void {
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
    for (let d = 0; d < D; d++) sum += load<i32>(u + ((<usize>d) << 2)) * load<i8>(k + kOffsetQs8(s, d, D));
    store<f32>(scores + ((<usize>s) << 2), <f32>sum * factor);
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
function valuesF32(scores: usize, v: usize, y: usize, D: i32, S: i32, begin: i32, end: i32): void {
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
    for (let s = begin; s < end; s++) sum += load<f32>(scores + ((<usize>s) << 2)) * load<f32>(v + vOffsetF32(s, d, S));
    store<f32>(y + ((<usize>d) << 2), sum * factor);
  }
}

/** Softmax in quantized blocks and product with V int8; `weights` is f32[T] of whole numbers. */
function valuesQs8(scores: usize, weights: usize, v: usize, y: usize, D: i32, S: i32, vScale: f32, begin: i32, end: i32): void {
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
        dot += (u == u ? <i32>u : 0) * load<i8>(v + vOffsetQs8(s, d, S));
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
  const scores = scratch + scoresOffset(D);
  const heads = H / Hkv;
  for (let unit = begin; unit < end; unit++) {
    const group = unit / (heads * M);
    const m = (unit / heads) % M;
    const h = group * heads + (unit % heads);
    const kHead = k + <usize>group * (kQs8 ? headBytesQs8(S, D) : headBytesF32(S, D));
    const vHead = v + <usize>group * (vQs8 ? headBytesQs8(S, D) : headBytesF32(S, D));
    const query = q + ((<usize>m * stride + <usize>h * D) << 2);
    const out = y + (((<usize>m * H + h) * D) << 2);
    const first = window > 0 ? max(0, position + m - window + 1) : 0;
    const last = position + m + 1;
    if (kQs8) scoresQs8(query, kHead, scratch + QUERIES_OFFSET, scores, D, kScale, first, last);
    else scoresF32(query, kHead, scores, D, first, last);
    if (vQs8) valuesQs8(scores, scratch + weightsOffset(S, D), vHead, out, D, S, vScale, first, last);
    else valuesF32(scores, vHead, out, D, S, first, last);
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
