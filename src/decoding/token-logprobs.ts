/**
 * Log-probabilities of tokens, as the model gives them: before penalties, bias, temperature and filters.
 *
 *     ln p[j] = -(ln(sum over v of exp(x[v] - max)) + (max - x[j]))
 *
 * The sum is made in wasm (`cross_entropy_f32`, with the likeliest token as its target); what is left is one
 * subtraction and one addition of doubles, which that kernel does as well. So the figures are those of
 * `perplexity` and `lambada`, to the last bit, and the same on every runtime.
 */
import type { ForwardPass, LogitsBlock } from "../model/forward-pass.ts";

import { topK } from "./sampling/logits-processors.ts";

/** The most alternatives that can be asked for, OpenAI's limit. */
export const MOST_TOP_LOGPROBS = 20;

/** Token and its log-probability. */
export interface TokenLogprob {
  /** Id of the token. */
  readonly id: number;
  /** Natural logarithm. */
  readonly logprob: number;
}

/** A token that came, and those that were likeliest in its place. */
export interface PositionLogprobs extends TokenLogprob {
  /** The most likely first, the lowest id among equals; as many as were asked for. */
  readonly top: readonly TokenLogprob[];
}

/** Gives the log-probabilities of a place, once it is known which token comes there. */
export type LogprobsOf = (id: number) => PositionLogprobs;

export class LogprobReader {
  readonly #math: Pick<ForwardPass, "crossEntropy" | "argmax">;
  readonly #count: number;
  /** u32[V], f64[V]: see `topK`. */
  readonly #ids: Uint32Array;
  readonly #ranks: Float64Array;

  /** @param count of the likeliest tokens, 0 to `MOST_TOP_LOGPROBS` */
  constructor(math: Pick<ForwardPass, "crossEntropy" | "argmax">, vocabSize: number, count: number) {
    this.#math = math;
    this.#count = count;
    this.#ids = new Uint32Array(vocabSize);
    this.#ranks = new Float64Array(vocabSize);
  }

  /**
   * Reads logits before anybody changes them.
   * @param logits f32[V], in wasm memory or in the host's
   */
  read(logits: Float32Array): LogprobsOf {
    const block = { values: logits, pointer: logits.byteOffset as LogitsBlock["pointer"], firstRow: 0, rows: 1 };
    const likeliest = this.#math.argmax(logits);
    return this.#logprobsOf(logits.slice(), likeliest, this.#math.crossEntropy(block, [likeliest])[0]!);
  }

  /**
   * Log-probabilities of the tokens that come after the first rows of a block.
   * @param tokens at most as many as the block has rows
   */
  readRows(block: LogitsBlock, tokens: readonly number[]): PositionLogprobs[] {
    const V = block.values.length / block.rows;
    const rows = Array.from({ length: block.rows }, (_, r) => block.values.subarray(r * V, (r + 1) * V));
    const likeliest = rows.map((row) => this.#math.argmax(row));
    const losses = this.#math.crossEntropy(block, likeliest);
    return tokens.map((token, r) => this.#logprobsOf(rows[r]!, likeliest[r]!, losses[r]!)(token));
  }

  /** @param loss that of the likeliest token: the logarithm of the sum */
  #logprobsOf(logits: Float32Array, likeliest: number, loss: number): LogprobsOf {
    const max = logits[likeliest]!;
    const logprob = (id: number): TokenLogprob => ({ id, logprob: -(loss + (max - logits[id]!)) });
    const count = this.#count === 0 ? 0 : topK(logits, this.#count, this.#ids, this.#ranks);
    const top = Array.from(this.#ids.subarray(0, count), logprob);
    return (id) => ({ ...logprob(id), top });
  }
}
