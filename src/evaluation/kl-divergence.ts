/**
 * The change that quantizing makes in a model's predictions, by the rules of llama-perplexity's
 * `--kl-divergence` (llama.cpp, `tools/perplexity/perplexity.cpp`): over the second halves of a text's chunks
 * (`text-chunks.ts`), for each target t
 *
 *     KLD        KL(base || model) of the distributions that t is drawn from, over the whole vocabulary
 *     dp         p_model(t) - p_base(t)
 *     same top   both models find the same token likeliest
 *     ln ratio   ln PPL(model) - ln PPL(base), whose error takes into account that both losses go up and down
 *                together
 *
 * llama-perplexity keeps the base's probabilities in 16 bits and leaves out those below e^-16; here nothing
 * is rounded, so a KLD differs from its in the third digit or so.
 *
 * Memory: the models run side by side, a block of BLOCK_ROWS tokens at a time, so that beside them only one
 * block of the base's logits is held, f32[BLOCK_ROWS, V], whatever the text's length. Evaluating in blocks
 * changes no bit of the logits.
 */
import { NumericError, OptionError, throwIfAborted } from "../errors.ts";
import type { ForwardPass, LogitsBlock } from "../model/forward-pass.ts";
import type { Progress } from "../progress.ts";
import { rowOf } from "./continuation.ts";
import { type DivergenceSamples, type DivergenceStatistics, divergenceStatistics } from "./divergence-statistics.ts";
import { type ChunkOptions, textChunks } from "./text-chunks.ts";

/** 12.6 MB of logits for V = 49152. */
const BLOCK_ROWS = 64;

/** How much of a text is scored. */
export interface KlDivergenceOptions extends ChunkOptions {
  /** Ends the work with an `AbortError`. */
  readonly signal?: AbortSignal | undefined;
  /** A function called after each chunk, with the statistics so far. */
  readonly onProgress?: ((progress: KlDivergenceProgress) => void) | undefined;
}

/** Statistics so far. */
export interface KlDivergenceProgress extends Progress {
  /** Statistics of the chunks done. */
  readonly statistics: DivergenceStatistics;
}

/** Divergence of a model from its base over a text. */
export interface KlDivergenceResult extends DivergenceStatistics {
  /** Chunks scored. */
  readonly chunks: number;
  /** Tokens of those chunks. */
  readonly tokens: number;
}

/**
 * @param ids of the whole text, without special tokens
 * @throws OptionError if the vocabularies differ in size, an option is outside its domain or the text is
 *   shorter than one chunk; NumericError for a value that is not finite; AbortError. Both KV caches are left
 *   empty in every case.
 */
export async function klDivergence(
  base: ForwardPass,
  model: ForwardPass,
  ids: ArrayLike<number>,
  options: KlDivergenceOptions = {},
): Promise<KlDivergenceResult> {
  const { signal, onProgress } = options;
  const { vocabSize: V } = base.config;
  if (model.config.vocabSize !== V) {
    throw new OptionError(`vocabulary: got ${model.config.vocabSize} tokens, need ${V}, those of the base model`);
  }
  const chunks = textChunks(ids, options, Math.min(base.contextSize, model.contextSize));
  const samples: DivergenceSamples = { losses: [], baseLosses: [], divergences: [], sameTop: [] };
  try {
    for (const [c, chunk] of chunks.entries()) {
      throwIfAborted(signal, "KL divergence");
      await compareChunk(base, model, chunk, samples, signal);
      checkFinite(samples, c);
      onProgress?.({
        phase: "KL divergence",
        done: c + 1,
        total: chunks.length,
        unit: "chunks",
        statistics: divergenceStatistics(samples),
      });
    }
  } finally {
    base.truncate(0);
    model.truncate(0);
  }
  const tokens = chunks.length * chunks[0]!.length;
  return { ...divergenceStatistics(samples), chunks: chunks.length, tokens };
}

/** Adds a chunk's scored targets to the samples. The last id is a target only, so it is not evaluated. */
async function compareChunk(
  base: ForwardPass,
  model: ForwardPass,
  ids: readonly number[],
  samples: DivergenceSamples,
  signal: AbortSignal | undefined,
): Promise<void> {
  const first = Math.floor(ids.length / 2);
  const { vocabSize: V } = base.config;
  const baseLogits = new Float32Array(Math.min(BLOCK_ROWS, ids.length - 1 - first) * V);
  const likeliest: number[] = [];
  for (const pass of [base, model]) {
    pass.truncate(0);
    await pass.forward(ids.slice(0, first), { logits: "none", signal });
  }
  for (let begin = first; begin < ids.length - 1; begin += BLOCK_ROWS) {
    const end = Math.min(ids.length - 1, begin + BLOCK_ROWS);
    const targetsOf = ({ firstRow, rows }: LogitsBlock) => ids.slice(begin + firstRow + 1, begin + firstRow + 1 + rows);

    await base.forward(ids.slice(begin, end), {
      logits: (block) => {
        baseLogits.set(block.values, block.firstRow * V);
        samples.baseLosses.push(...base.crossEntropy(block, targetsOf(block)));
        for (let row = 0; row < block.rows; row++) likeliest[block.firstRow + row] = base.argmax(rowOf(block, row));
      },
      signal,
    });
    await model.forward(ids.slice(begin, end), {
      logits: (block) => {
        samples.losses.push(...model.crossEntropy(block, targetsOf(block)));
        for (let row = 0; row < block.rows; row++) {
          const at = block.firstRow + row;
          const logits = rowOf(block, row);
          samples.divergences.push(model.klDivergence(baseLogits.subarray(at * V, (at + 1) * V), logits));
          samples.sameTop.push(model.argmax(logits) === likeliest[at] ? 1 : 0);
        }
      },
      signal,
    });
  }
}

function checkFinite(samples: DivergenceSamples, chunk: number): void {
  for (const [what, values] of Object.entries(samples) as [string, number[]][]) {
    const bad = values.find((value) => !Number.isFinite(value));
    if (bad !== undefined)
      throw new NumericError(`KL divergence: got ${bad} among the ${what} of chunk ${chunk}, need finite numbers`);
  }
}
