/**
 * Chooses the next token from logits, in the order of llama.cpp's default chain
 * (`common_params_sampling::samplers`, the links that exist here): bias, penalties, constraint, top-k, top-p,
 * min-p, temperature, draw. So top-p and min-p look at the distribution before the temperature, and top-p at
 * what top-k left, renormalized.
 */
import { OptionError, UnsupportedModelError } from "../../errors.ts";
import type { ForwardPass } from "../../model/forward-pass.ts";
import { MAX_VOCABULARY, checkFinite, draw, minP, penalizeOccurrences, penalizeRepetition, sumOf, topK, topP } from "./logits-processors.ts"; // prettier-ignore
import { Xoshiro128 } from "./random.ts";
import type { Sampling } from "./sampling.ts";

/** The two functions of logits that are computed in wasm. */
export type LogitsMath = Pick<ForwardPass, "softmax" | "argmax">;

/** What the tokens of a text are held to; `TokenConstraint` is one. */
export interface Constraint {
  allows(id: number, generated: readonly number[]): boolean;
  /** Makes the logits of tokens that may not come -Infinity. */
  apply(logits: Float32Array, generated: readonly number[]): void;
}

/**
 * The number of tokens to rank first when top-p runs without top-k; sharp distributions need no more. Then 16
 * times as many, then all.
 */
const FIRST_NUCLEUS = 256;

export class Sampler {
  readonly #sampling: Sampling;
  readonly #math: LogitsMath;
  readonly #random: Xoshiro128 | undefined;
  /** u32[V], f64[V]: see `topK`. */
  readonly #ids: Uint32Array;
  readonly #ranks: Float64Array;
  /** u32[V]: see `penalizeRepetition`. */
  readonly #stamps: Uint32Array | undefined;
  readonly #constraint: Constraint | undefined;
  #step = 0;

  constructor(sampling: Sampling, vocabSize: number, math: LogitsMath, constraint?: Constraint) {
    if (vocabSize > MAX_VOCABULARY)
      throw new UnsupportedModelError(`vocabulary: got ${vocabSize} tokens, need at most ${MAX_VOCABULARY} to sample from`);
    const outside = sampling.bias.find(([id]) => id >= vocabSize);
    if (outside) throw new OptionError(`logitBias: got token id ${outside[0]}, need whole numbers from 0 to ${vocabSize - 1}`);
    const sampled = sampling.kind === "sample";
    this.#sampling = sampling;
    this.#math = math;
    this.#constraint = constraint;
    this.#random = sampled ? Xoshiro128.fromSeed(sampling.seed) : undefined;
    this.#ids = new Uint32Array(sampled ? vocabSize : 0);
    this.#ranks = new Float64Array(sampled ? vocabSize : 0);
    this.#stamps = sampling.repetition && new Uint32Array(vocabSize);
  }

  /**
   * @param logits f32[V] after the last id of `sequence`; changed in place where a bias, penalty or
   *   constraint applies
   * @param sequence prompt and generated ids so far
   * @param promptLength how many of them are the prompt
   * @throws NumericError if a logit is NaN or infinite
   */
  next(logits: Float32Array, sequence: readonly number[], promptLength: number): number {
    checkFinite(logits);
    const { bias, repetition, occurrence } = this.#sampling;
    for (const [id, added] of bias) logits[id]! += added;
    if (occurrence) penalizeOccurrences(logits, sequence.slice(promptLength), occurrence);
    if (repetition) penalizeRepetition(logits, sequence, repetition, this.#stamps!, ++this.#step);
    const generated = this.#constraint ? sequence.slice(promptLength) : [];
    if (this.#sampling.kind === "greedy") return this.#likeliest(logits, generated);

    this.#constraint?.apply(logits, generated);
    const count = this.#candidates(logits, this.#sampling);
    const probabilities = this.#math.softmax(logits, this.#sampling.temperature);
    return draw(probabilities, this.#ids, count, this.#random!.nextDouble());
  }

  /** Mostly it may come: then nobody has to ask which others may. */
  #likeliest(logits: Float32Array, generated: readonly number[]): number {
    const token = this.#math.argmax(logits);
    if (!this.#constraint || this.#constraint.allows(token, generated)) return token;
    this.#constraint.apply(logits, generated);
    return this.#math.argmax(logits);
  }

  /** Fills `#ids` with the tokens that may be drawn; returns how many. */
  #candidates(logits: Float32Array, sampling: Extract<Sampling, { kind: "sample" }>): number {
    const all = logits.length;
    const ids = this.#ids;
    const ranksTopK = sampling.topK < all;
    let count = ranksTopK ? topK(logits, sampling.topK, ids, this.#ranks) : all;
    if (sampling.topP === 1 && sampling.minP === 0) {
      if (!ranksTopK) keepAtLeast(logits, -Infinity, ids);
      return count;
    }

    const probabilities = this.#math.softmax(logits, 1);
    if (sampling.topP < 1) {
      count = ranksTopK
        ? topP(probabilities, ids, count, sampling.topP, sumOf(probabilities, ids, count))!
        : this.#nucleus(logits, probabilities, sampling.topP);
    } else if (!ranksTopK) {
      // Nothing was ranked and nothing needs to be.
      return keepAtLeast(probabilities, sampling.minP * largest(probabilities), ids);
    }
    return sampling.minP > 0 ? minP(probabilities, ids, count, sampling.minP) : count;
  }

  /** Top-p over the whole vocabulary, ranking no more of it than needed. */
  #nucleus(logits: Float32Array, probabilities: Float32Array, p: number): number {
    for (let k = FIRST_NUCLEUS; k < logits.length; k *= 16) {
      const count = topK(logits, k, this.#ids, this.#ranks);
      const kept = topP(probabilities, this.#ids, count, p, 1);
      if (kept !== undefined) return kept;
    }
    const count = topK(logits, logits.length, this.#ids, this.#ranks);
    return topP(probabilities, this.#ids, count, p, 1) ?? count;
  }
}

/** Ids, ascending, of the values that are at least `least`; returns how many. */
function keepAtLeast(values: Float32Array, least: number, ids: Uint32Array): number {
  let count = 0;
  for (let id = 0; id < values.length; id++) if (values[id]! >= least) ids[count++] = id;
  return count;
}

function largest(values: Float32Array): number {
  let max = -Infinity;
  for (let id = 0; id < values.length; id++) if (values[id]! > max) max = values[id]!;
  return max;
}
