/**
 * Perplexity by the rule of llama-perplexity (llama.cpp, `tools/perplexity/perplexity.cpp`, function
 * `perplexity`), so that its figures and ours can be put side by side.
 *
 *     ppl = exp(mean of -ln p(target))
 *
 * The ids of the text are cut into chunks of n = contextSize tokens (`text-chunks.ts`), each of which begins
 * with an empty KV cache. Scored are the targets n/2 + 1 .. n - 1 of each chunk, which see at least half a
 * context; beside that, all targets 1 .. n - 1. llama-perplexity refuses a text of less than two chunks; here
 * one is enough, and the numbers are the same.
 */
import type { ForwardPass, LogitsBlock } from "../model/forward-pass.ts";
import { NumericError, throwIfAborted } from "../errors.ts";
import type { Progress } from "../progress.ts";
import { type ChunkOptions, textChunks } from "./text-chunks.ts";

/** How much of a text is scored. */
export interface PerplexityOptions extends ChunkOptions {
  /** Ends the work with an `AbortError`. */
  readonly signal?: AbortSignal | undefined;
  /** A function called after each chunk, with the estimate so far. */
  readonly onProgress?: ((progress: PerplexityProgress) => void) | undefined;
}

export interface Estimate {
  readonly ppl: number;
  /**
   * Standard error of `ppl`: ppl * sqrt(variance of the losses / (scored - 1)), as llama-perplexity prints it
   * after "+/-".
   */
  readonly standardError: number;
  /** Targets scored. */
  readonly scored: number;
}

export interface PerplexityProgress extends Progress {
  /** The estimates over the chunks done: second halves, and all positions. */
  readonly secondHalf: Estimate;
  readonly allPositions: Estimate;
}

/** Perplexity of a model over a text. */
export interface PerplexityResult {
  /** The perplexity of the second halves: the figure to compare with llama-perplexity. */
  readonly ppl: number;
  /** Perplexity over all positions. */
  readonly pplAllPositions: number;
  /** Estimate over the second halves of chunks. */
  readonly secondHalf: Estimate;
  /** Estimate over all positions. */
  readonly allPositions: Estimate;
  /** Chunks scored. */
  readonly chunks: number;
  /** Tokens of those chunks, `chunks * contextSize`. */
  readonly tokens: number;
  /** Mean negative log-likelihood (natural logarithm) of each chunk, both ways. */
  readonly meanNllSecondHalf: readonly number[];
  /** The same over all positions of each chunk. */
  readonly meanNllAllPositions: readonly number[];
}

/**
 * @param ids of the whole text, without special tokens
 * @throws OptionError if an option is outside its domain or the text is shorter than one chunk; NumericError
 *   if a loss is not finite; AbortError. The KV cache is left empty in every case.
 */
export async function perplexity(
  forwardPass: ForwardPass,
  ids: ArrayLike<number>,
  options: PerplexityOptions = {},
): Promise<PerplexityResult> {
  const { signal, onProgress } = options;
  const chunks = textChunks(ids, options, forwardPass.contextSize);
  const n = chunks[0]!.length;

  const secondHalf = new LossSum();
  const allPositions = new LossSum();
  const meanNllSecondHalf: number[] = [];
  const meanNllAllPositions: number[] = [];
  try {
    for (const [c, chunk] of chunks.entries()) {
      throwIfAborted(signal, "perplexity");
      const losses = await chunkLosses(forwardPass, chunk, c, signal);
      // losses[t - 1] belongs to target t.
      meanNllSecondHalf.push(secondHalf.add(losses.subarray(Math.floor(n / 2))));
      meanNllAllPositions.push(allPositions.add(losses));
      onProgress?.({
        phase: "perplexity",
        done: c + 1,
        total: chunks.length,
        unit: "chunks",
        secondHalf: secondHalf.estimate,
        allPositions: allPositions.estimate,
      });
    }
  } finally {
    forwardPass.truncate(0);
  }
  return {
    ppl: secondHalf.estimate.ppl,
    pplAllPositions: allPositions.estimate.ppl,
    secondHalf: secondHalf.estimate,
    allPositions: allPositions.estimate,
    chunks: chunks.length,
    tokens: chunks.length * n,
    meanNllSecondHalf,
    meanNllAllPositions,
  };
}

/** f64[n - 1]: the loss of each target 1 .. n - 1. The last id is a target only, so it is not evaluated. */
async function chunkLosses(
  forwardPass: ForwardPass,
  ids: readonly number[],
  chunk: number,
  signal: AbortSignal | undefined,
): Promise<Float64Array> {
  const losses = new Float64Array(ids.length - 1);
  let filled = 0;
  forwardPass.truncate(0);
  await forwardPass.forward(ids.slice(0, -1), {
    logits: (block: LogitsBlock) => {
      const targets = ids.slice(block.firstRow + 1, block.firstRow + 1 + block.rows);
      losses.set(forwardPass.crossEntropy(block, targets), block.firstRow);
      filled += block.rows;
    },
    signal,
  });
  if (filled !== losses.length)
    throw new NumericError(`perplexity: got ${filled} losses in chunk ${chunk}, need ${losses.length}`);
  const bad = losses.findIndex((loss) => !Number.isFinite(loss));
  if (bad >= 0)
    throw new NumericError(`perplexity: got loss ${losses[bad]} for token ${bad + 1} of chunk ${chunk}, need finite numbers`);
  return losses;
}

/** Losses, added in the order of the text; their variance by Welford's recurrence, which does not cancel. */
class LossSum {
  #sum = 0;
  #count = 0;
  #runningMean = 0;
  #squaredDeviations = 0;

  /** @returns the mean of these losses */
  add(losses: Float64Array): number {
    let sum = 0;
    for (const loss of losses) {
      sum += loss;
      this.#count++;
      const deviation = loss - this.#runningMean;
      this.#runningMean += deviation / this.#count;
      this.#squaredDeviations += deviation * (loss - this.#runningMean);
    }
    this.#sum += sum;
    return sum / losses.length;
  }

  get estimate(): Estimate {
    const ppl = Math.exp(this.#sum / this.#count);
    const variance = this.#squaredDeviations / this.#count;
    const standardError = this.#count > 1 ? ppl * Math.sqrt(variance / (this.#count - 1)) : 0;
    return { ppl, standardError, scored: this.#count };
  }
}
