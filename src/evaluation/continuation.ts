/**
 * The likelihood a model gives to continuations of a context, and whether it would have written them.
 *
 *     ln p(continuation | context) = sum over i of ln p(c[i] | context, c[0 .. i-1])
 *
 * The context is evaluated once and its KV cache serves every continuation. Several items go through the
 * model together, since passes of few rows take longest to read the weights. A token gets the same bits in
 * prefill and decode, alone and beside others, so none of that changes a score.
 */
import type { LanguageModel } from "../decoding/language-model.ts";
import { NumericError, OptionError, throwIfAborted } from "../errors.ts";
import { need } from "../need.ts";
import { checkOptions, optionKeys } from "../option-keys.ts";
import type { ForwardPass, LogitsBlock } from "../model/forward-pass.ts";
import { BLOCK_TOKENS } from "../model/layers/attention.ts";
import type { OnProgress } from "../progress.ts";

/** What an evaluation by items asks of a model. */
interface ScoringModel {
  readonly tokenizer: LanguageModel["tokenizer"];
  readonly forwardPass: ForwardPass;
}

export interface ContinuationItem {
  /** The file and line, for messages. */
  readonly name: string;
  readonly context: string;
  /** The continuations as they follow the context, so usually with a leading space. */
  readonly continuations: readonly string[];
}

export interface ContinuationScore {
  /** ln p, in nats. */
  readonly logLikelihood: number;
  /** Whether every token of it is the model's likeliest, the lowest id among equals. */
  readonly greedy: boolean;
}

/** How items are scored. */
export interface EvaluationOptions {
  /** The first so many items only; default all. */
  readonly limit?: number | undefined;
  /** Ends the work with an `AbortError`. */
  readonly signal?: AbortSignal | undefined;
  /** A function called after each item. */
  readonly onProgress?: OnProgress | undefined;
}

const EVALUATION_OPTIONS = optionKeys<EvaluationOptions>({ limit: 0, signal: 0, onProgress: 0 });

/**
 * Scores every continuation of every item. Context and continuations are tokenized apart; special tokens
 * written in them are plain text.
 *
 * @param phase for progress and messages
 * @returns for each item, the scores of its continuations
 * @throws OptionError naming an item that does not fit the model's context, before anything runs;
 *   NumericError; AbortError
 */
export async function scoreItems(
  { tokenizer, forwardPass }: ScoringModel,
  phase: string,
  items: readonly ContinuationItem[],
  options: EvaluationOptions,
): Promise<ContinuationScore[][]> {
  checkOptions(options, EVALUATION_OPTIONS);
  const { limit, signal, onProgress } = options;
  if (items.length === 0) throw new OptionError(`${phase}: got no items, need at least one`);
  const encode = (text: string) => tokenizer.encode(text, { addSpecialTokens: false, parseSpecial: false });
  const begin = tokenizer.addedBosTokenId;
  const chosen = limit === undefined ? items : items.slice(0, need.whole("limit", limit, 1));
  const tokenized = chosen.map(({ name, context, continuations }): TokenizedItem => ({
    name,
    context: [...(begin === undefined ? [] : [begin]), ...encode(context)],
    continuations: continuations.map(encode),
  }));
  for (const item of tokenized) checkItem(item, forwardPass.contextSize);

  const scores = Array.from({ length: tokenized.length }, (): ContinuationScore[] => []);
  let next = 0;
  let done = 0;
  const failures: { readonly item: number; readonly error: unknown }[] = [];
  const scoreNext = async () => {
    using sequence = forwardPass.createSequence();
    while (failures.length === 0 && next < tokenized.length) {
      const item = next++;
      try {
        throwIfAborted(signal, phase);
        scores[item] = await scoreItem(sequence, tokenized[item]!, signal);
      } catch (error) {
        failures.push({ item, error });
        return;
      }
      onProgress?.({ phase, done: ++done, total: tokenized.length, unit: "items" });
    }
  };
  await Promise.all(Array.from({ length: itemsTogether(tokenized, forwardPass.mostTokens) }, scoreNext));
  // The first in the file, whichever came first.
  if (failures.length > 0) throw failures.toSorted((a, b) => a.item - b.item)[0]!.error;
  return scores;
}

/** Rows of as many items read the weights about as seldom as a whole chunk of a prompt does. */
const MOST_TOGETHER = 8;

/** As many as have room in the cache, so that none takes it from another. */
function itemsTogether(items: readonly TokenizedItem[], cacheTokens: number): number {
  const longest = items.reduce((most, { context, continuations }) => {
    return Math.max(most, context.length + Math.max(...continuations.map(({ length }) => length)));
  }, 0);
  const blocks = (tokens: number) => Math.ceil(tokens / BLOCK_TOKENS);
  return Math.max(1, Math.min(MOST_TOGETHER, items.length, Math.floor(blocks(cacheTokens) / blocks(longest))));
}

interface TokenizedItem {
  readonly name: string;
  readonly context: readonly number[];
  readonly continuations: readonly (readonly number[])[];
}

function checkItem({ name, context, continuations }: TokenizedItem, contextSize: number): void {
  if (context.length === 0)
    throw new OptionError(`${name}: context: got no token, need at least one: this model puts none before a text`);
  for (const continuation of continuations) {
    if (continuation.length === 0) throw new OptionError(`${name}: text to score: got no token, need at least one`);
    const needed = context.length + continuation.length;
    if (needed > contextSize) {
      const parts = `${context.length} of context and ${continuation.length} to score`;
      throw new OptionError(
        `${name}: got ${needed} tokens (${parts}), need at most ${contextSize}, the context the model was loaded with`,
      );
    }
  }
}

async function scoreItem(
  forwardPass: ForwardPass,
  { name, context, continuations }: TokenizedItem,
  signal: AbortSignal | undefined,
): Promise<ContinuationScore[]> {
  // The logits after the context's last id are wanted with each continuation, so it is evaluated with each.
  const shared = context.length - 1;
  const last = context[shared]!;
  forwardPass.truncate(0);
  if (shared > 0) await forwardPass.forward(context.slice(0, shared), { logits: "none", signal });

  const scores: ContinuationScore[] = [];
  for (const continuation of continuations) {
    let logLikelihood = 0;
    let greedy = true;
    const score = (block: LogitsBlock) => {
      const targets = continuation.slice(block.firstRow, block.firstRow + block.rows);
      for (const loss of forwardPass.crossEntropy(block, targets)) logLikelihood -= loss;
      // One token missed decides: the rows behind it need not be looked at.
      for (let row = 0; greedy && row < block.rows; row++) greedy = forwardPass.argmax(rowOf(block, row)) === targets[row];
    };
    forwardPass.truncate(shared);
    await forwardPass.forward([last, ...continuation.slice(0, -1)], { logits: score, signal });
    if (!Number.isFinite(logLikelihood))
      throw new NumericError(`${name}: got log-likelihood ${logLikelihood}, need a finite number`);
    scores.push({ logLikelihood, greedy });
  }
  return scores;
}

/** Logits of one row of a block, f32[V]. */
export function rowOf({ values, rows }: LogitsBlock, row: number): Float32Array {
  const V = values.length / rows;
  return values.subarray(row * V, (row + 1) * V);
}
