/**
 * Attention in double precision from its definition, over plain arrays, with a bound on what the kernels'
 * roundings may add.
 *
 * A kernel's weights W differ from the exact w = 2^(score - max) by a factor 2^e (1 + eta) and, where V is
 * int8, by the rounding to 14 bits within a block of 64 tokens. Since both sums are divided, with y the exact
 * result:
 *
 *   |kernel - y| <= sum |W - w| |v - y| / sum W  +  roundings of the f32 sums
 *
 * That holds as long as the kernel divides by the sum of the weights it multiplies with. For dynamic int8 V
 * it does not: it divides by the sum of the weights before they are rounded to 14 bits, which moves each by
 * at most half of W / (16383 * scale[s]), W being the largest scale[s] * weight of the block. This rounding
 * R is apart:
 *
 *   |kernel - y| <= (sum |W - w| |v - y|  +  sum R |v|) / sum W  +  roundings of the f32 sums
 */
import { F32_EPSILON } from "./compare.ts";
import { roundHalfEven } from "./round-half-even.ts";

export interface AttentionInput {
  /** f32[T, stride]: H query heads, then Hkv heads of k, then Hkv of v, each of D. */
  qkv: Float32Array;
  T: number;
  H: number;
  Hkv: number;
  D: number;
  /** 0: all tokens. */
  window: number;
  /** Whether a token sees those after it as well, as many as before it; false by default. */
  bothWays?: boolean;
  kScale: number;
  vScale: number;
  kind: AttentionKind;
  /** f32[H], ALiBi: a token's score loses so much for each token it is further back. */
  slopes?: Float32Array;
  /** What scores are divided by; the root of D by default. */
  divisor?: number;
  /** cap * tanh(score / cap); 0, the default, for none. */
  cap?: number;
}
/** Keys or values in the cache: as they are, int8 with the scale given, or with one per token and head. */
export type CacheKind = "f32" | "qs8" | "qd8";
export type AttentionKind = `k${CacheKind}_v${CacheKind}`;
export const ATTENTION_KINDS: readonly AttentionKind[] = [
  "kf32_vf32", "kqs8_vqs8", "kqd8_vqd8", "kqs8_vf32", "kf32_vqs8", "kqd8_vf32", "kf32_vqd8", "kqd8_vqs8", "kqs8_vqd8",
]; // prettier-ignore

/** Relative error of 2^t as assembly/math/exp2.ts states it. */
export const EXP2_ERROR = 2 ** -22.3;
const BLOCK = 64;
const WEIGHT_MAX = 16383;
const QUERY_MAX = 8191;
/** What a block's largest weight times scale counts for at least (assembly/attention/attention-vqd8.ts). */
const LEAST_WEIGHT = 2 ** -100;

/**
 * x as a static int8 cache holds it, in units of the scale. The quotient of two floats rounded once is the
 * float quotient.
 */
export function quantizeStatic(x: number, scale: number): number {
  return Math.max(-128, Math.min(127, roundHalfEven(Math.fround(x / scale)))) || 0;
}

/** The scale of one head of one token in a dynamic int8 cache. */
export function dynamicScale(head: Float32Array): number {
  return Math.fround(head.reduce((most, x) => Math.max(most, Math.abs(x)), 0) / 127);
}

/** One head of T tokens as a cache stores it, dequantized, and each token's scale (1 for floats). */
function stored(qkv: Float32Array, { T, D, stride, begin }: HeadPlace, kind: CacheKind, scale: number) {
  const values = new Float64Array(T * D);
  const scales = new Float64Array(T).fill(kind === "qs8" ? scale : 1);
  for (let t = 0; t < T; t++) {
    const head = qkv.subarray(t * stride + begin, t * stride + begin + D);
    if (kind === "qd8") scales[t] = dynamicScale(head);
    head.forEach((x, d) => (values[t * D + d] = kind === "f32" ? x : scales[t]! * quantizeStatic(x, scales[t]! || 1)));
  }
  return { values, scales };
}

interface HeadPlace {
  T: number;
  D: number;
  stride: number;
  /** Where the head lies in a row. */
  begin: number;
}

/** y f64[T, H * D] over the cache as stored (dequantized where it is int8), and the bound of each element. */
export function attentionOracle(input: AttentionInput): { y: Float64Array; bound: Float64Array } {
  const { qkv, T, H, Hkv, D, window, kind } = input;
  const stride = (H + 2 * Hkv) * D;
  const [kKind, vKind] = kind.split("_").map((part) => part.slice(1)) as [CacheKind, CacheKind];
  const vInt8 = vKind !== "f32";
  const kScale = Math.fround(input.kScale);
  const vScale = Math.fround(input.vScale);
  const u = F32_EPSILON;
  const y = new Float64Array(T * H * D);
  const bound = new Float64Array(T * H * D);

  for (let h = 0; h < H; h++) {
    const g = Math.floor((h * Hkv) / H);
    const { values: keys } = stored(qkv, { T, D, stride, begin: (H + g) * D }, kKind, kScale);
    const { values, scales } = stored(qkv, { T, D, stride, begin: (H + Hkv + g) * D }, vKind, vScale);
    for (let p = 0; p < T; p++) {
      const first = window > 0 ? Math.max(0, p - window + 1) : 0;
      const last = !input.bothWays ? p + 1 : window > 0 ? Math.min(T, p + window) : T;
      const n = last - first;
      const toPowers = Math.LOG2E / Math.fround(input.divisor ?? Math.sqrt(D));
      const cap = Math.fround(input.cap ?? 0) * Math.LOG2E;
      const q = qkv.subarray(p * stride + h * D, p * stride + h * D + D);
      const slope = input.slopes?.[h] ?? 0;
      const queryStep = q.reduce((a, x) => Math.max(a, Math.abs(x)), 0) / QUERY_MAX;

      // Scores in powers of two, and how far the kernel's may be.
      const score = new Float64Array(n);
      const scoreError = new Float64Array(n);
      for (let i = 0; i < n; i++) {
        let dot = 0;
        let magnitude = 0;
        let keyNorm = 0;
        for (let d = 0; d < D; d++) {
          const k = keys[(first + i) * D + d]!;
          dot += q[d]! * k;
          magnitude += Math.abs(q[d]! * k);
          keyNorm += Math.abs(k);
        }
        score[i] = dot * toPowers;
        if (kKind !== "f32") {
          // Half a step per channel (and the rounding of up to 8191 steps in the quotient); then eight
          // roundings of the product, one more for a token's scale.
          const rounded = queryStep * (0.5 + 2 * QUERY_MAX * u) * keyNorm * toPowers;
          scoreError[i] = rounded + (kKind === "qd8" ? 9 : 8) * u * (magnitude * toPowers + rounded);
        } else scoreError[i] = (D + 6) * u * magnitude * toPowers;
        if (cap !== 0) {
          // tanh never magnifies; log2(e), its product with the cap (which counts twice), the quotient and
          // the product are rounded; tanh is off by 2 units in the last place.
          score[i] = cap * Math.tanh(score[i]! / cap);
          scoreError[i]! += 10 * u * (Math.abs(score[i]!) + scoreError[i]!);
        }
        if (slope !== 0) {
          // log2(e), the slope in powers of two and its product with the distance are rounded; so is the sum.
          const bias = slope * Math.LOG2E * (first + i - p);
          score[i]! += bias;
          scoreError[i]! += 4 * u * Math.abs(bias);
          scoreError[i]! += u * (Math.abs(score[i]!) + scoreError[i]!);
        }
      }
      const worstScoreError = Math.max(...scoreError);
      const max = Math.max(...score);
      const blockMax = new Map<number, number>();
      for (let i = 0; i < n; i++) {
        const b = Math.floor((first + i) / BLOCK);
        blockMax.set(b, Math.max(blockMax.get(b) ?? -Infinity, score[i]!));
      }

      const w = score.map((s) => 2 ** (s - max));
      // Two subtractions of scores are rounded where a block has its own maximum, one otherwise; so are the
      // powers.
      const powers = vInt8 ? 2 : 1;
      const weightError = w.map((weight, i) => {
        const exponent = scoreError[i]! + powers * u * (max - score[i]! + 2 * worstScoreError);
        const factor = 2 ** exponent * (1 + EXP2_ERROR) ** powers * (1 + u) - 1;
        if (vKind !== "qs8") return weight * factor + powers * 2 ** -126;
        const block = 2 ** (blockMax.get(Math.floor((first + i) / BLOCK))! - max + 2 * worstScoreError);
        return weight * factor + ((0.5 + 2 * WEIGHT_MAX * u) / WEIGHT_MAX) * block * (1 + EXP2_ERROR);
      });
      // Dynamic V: half a unit of the block's largest weight times scale, and what rounding the product with
      // the scale, the quotient and the product with it move.
      const blockUnit = new Map<number, number>();
      for (let i = 0; i < n; i++) {
        const b = Math.floor((first + i) / BLOCK);
        const weighed = (w[i]! + weightError[i]!) * Math.max(scales[first + i]!, LEAST_WEIGHT);
        blockUnit.set(b, Math.max(blockUnit.get(b) ?? 0, weighed));
      }
      const rounding = w.map((weight, i) => {
        const scale = scales[first + i]!;
        if (vKind !== "qd8" || scale === 0) return 0;
        const unit = blockUnit.get(Math.floor((first + i) / BLOCK))!;
        return ((0.5 / WEIGHT_MAX) * unit) / scale + 4 * u * (weight + weightError[i]!);
      });
      const sum = w.reduce((a, b) => a + b, 0);
      const least = sum - weightError.reduce((a, b) => a + b, 0);
      // Terms of the two f32 sums, plus conversion, factor and division; for dynamic V those of a block's
      // probabilities, 8 in each lane and three sums of lanes.
      const roundings = vInt8 ? 2 * blockMax.size + (vKind === "qd8" ? 24 : 8) : n + Math.ceil(n / 4) + 8;
      for (let d = 0; d < D; d++) {
        let numerator = 0;
        for (let i = 0; i < n; i++) numerator += w[i]! * values[(first + i) * D + d]!;
        const exact = numerator / sum;
        let moved = 0;
        let magnitude = 0;
        for (let i = 0; i < n; i++) {
          const v = values[(first + i) * D + d]!;
          moved += weightError[i]! * Math.abs(v - exact) + rounding[i]! * Math.abs(v);
          magnitude += (w[i]! + weightError[i]!) * Math.abs(v);
        }
        y[(p * H + h) * D + d] = exact;
        bound[(p * H + h) * D + d] = least > 0 ? (moved + roundings * u * magnitude) / least + 2 ** -149 : Infinity;
      }
    }
  }
  return { y, bound };
}
