/**
 * Text from a prompt: context decoding once, then self-decoding until something says stop.
 *
 *     prompt ids -> prefill -> token -> text -> stop? -> decode -> token -> text -> stop? -> ...
 */
import type { RecommendedSampling } from "../checkpoint/recommended-sampling.ts";
import { AbortError, OptionError, throwIfAborted } from "../errors.ts";
import { decode, type Decoding } from "./decode.ts";
import { Drafter } from "./drafts/drafter.ts";
import { type DraftPolicy, PayingDrafts } from "./drafts/draft-policy.ts";
import { PassCosts } from "./drafts/pass-costs.ts";
import { GeneratedText } from "./generated-text.ts";
import type { Grammar } from "./grammar/grammar.ts";
import { constraintOf } from "./grammar/requested-constraint.ts";
import type { VocabularyTokens } from "./grammar/vocabulary-trie.ts";
import { follow } from "./follow-signal.ts";
import { Generation, GenerationAbortError } from "./generation.ts";
import {
  GENERATE_OPTIONS,
  type GenerateOptions,
  type GenerationResult,
  type StopReason,
  type TokenUsage,
} from "./generation-options.ts";
import { need } from "../need.ts";
import { checkOptions } from "../option-keys.ts";
import { checkPromptIds, PROMPT_OPTIONS } from "./prompt.ts";
import type { PendingIds } from "./prompt-encoder.ts";
import { prefill } from "./prefill.ts";
import { Sampler } from "./sampling/sampler.ts";
import { resolveSampling } from "./sampling/sampling.ts";
import { StageMeter } from "./stage-meter.ts";
import { limitReached, StopStrings } from "./stopping.ts";
import type { TokenCache } from "./token-cache.ts";
import { LogprobReader, MOST_TOP_LOGPROBS, type PositionLogprobs } from "./token-logprobs.ts";
import type { AnswerParsing } from "./tool-calls/answer-parsing.ts";
import { endOf, offeredCalls, withMore } from "./tool-calls/offered-calls.ts";
import type { ForwardPass } from "../model/forward-pass.ts";

/** llama.cpp's default. */
const DEFAULT_DRAFT_MAX = 16;

/** Text of one generation, piece by piece, never in the middle of a UTF-8 sequence. */
export interface TextStream {
  push(id: number): string;
  /** The rest: U+FFFD if the last character was not finished. */
  flush(): string;
}

/** What generating text needs of a tokenizer; `src/tokenizer/tokenizer.ts` has this shape. */
export interface TextTokenizer extends VocabularyTokens {
  /** Begins an empty prompt; undefined if there is no such token. */
  readonly bosTokenId: number | undefined;
  /** `continues`: the ids go on where a prompt ended, so that a leading space is theirs. */
  streamDecoder(options: { skipSpecialTokens: boolean; continues: boolean }): TextStream;
}

/** What generating text needs of a loaded model. */
export interface TextModel {
  readonly cache: TokenCache;
  /**
   * Called when a generation starts, and when it has ended, however it did. `needed`: the tokens it may come
   * to, its prompt included.
   */
  begin?(needed: number): void;
  end?(): void;
  /** Lets other events run, while a long prompt is encoded. */
  letEventsRun?(): Promise<void>;
  readonly tokenizer: TextTokenizer;
  /**
   * Every id that ends a generation (`generation_config.json`, the tokenizer's end of sequence and end of
   * turn).
   */
  readonly endTokenIds: readonly number[];
  /** What the chat template says of answers; absent for a model without one. */
  readonly answers?: (() => AnswerParsing) | undefined;
  /** Makes what says, in one generation, how many tokens to guess ahead. */
  readonly draftPolicy?: (() => DraftPolicy) | undefined;
  /** What the model's authors recommend; the caller's options stand above it. */
  readonly recommendedSampling?: RecommendedSampling;
}

/**
 * A generation that starts when it is first asked for text or for its result.
 *
 * Timing follows llama.cpp's two lines: `prefill` is the prompt (only what had to be evaluated;
 * `promptTokens` counts it all) and ends with the first token, `decode` is each later token, one forward pass
 * for each or, with drafts, for several. Choosing tokens is included, the consumer's own time is not.
 *
 * @param promptIds special tokens included; if empty, the beginning-of-sequence token. Ids of a long text are
 *   made when the generation runs
 * @throws OptionError at once: an option outside its domain, a prompt longer than the context, an id outside
 *   the vocabulary
 */
export function generate(model: TextModel, promptIds: ArrayLike<number> | PendingIds, options: GenerateOptions = {}): Generation {
  checkOptions(options, GENERATE_OPTIONS, PROMPT_OPTIONS);
  const { cache, tokenizer } = model;
  const { config, contextSize } = cache.forwardPass;
  const { signal } = options;
  let prompt: readonly number[] = [];
  let sequence: number[] = [];
  const drafts = { drafted: 0, accepted: 0 };
  const begin = (ids: ArrayLike<number>) => {
    prompt = checkPromptIds(ids, tokenizer.bosTokenId, config.vocabSize, contextSize);
    sequence = [...prompt];
  };
  // Nobody waits for a prompt of which nothing will be made.
  if (!signal?.aborted && typeof promptIds !== "function") begin(promptIds);
  const sampling = resolveSampling(options, model.recommendedSampling);
  const endTokenIds = new Set(options.ignoreEos === true ? [] : model.endTokenIds);
  const limits = {
    maxTokens: options.maxTokens === undefined ? Infinity : need.whole("maxTokens", options.maxTokens, 0),
    contextSize,
  };
  const draftMax = resolveDraftMax(options.draftMax, cache.forwardPass.mostTokens);
  const policy = model.draftPolicy?.() ?? new PayingDrafts(new PassCosts());
  const calls = offeredCalls(options, model.answers?.());
  const stops = new StopStrings(withMore(options.stop, calls?.stop), withMore(options.keptTokens, calls?.keptTokens));
  const beside = calls && ((form?: Grammar) => calls.grammar(form, endOf(prompt, tokenizer)));
  // Once more when the prompt is there, whose end may open thoughts; what cannot be is refused now.
  let constraint = constraintOf(options, tokenizer, model.endTokenIds, beside);
  const written = new GeneratedText(tokenizer, stops, calls && (() => calls.reading(endOf(prompt, tokenizer))));
  const logprobs = readerOf(options.logprobs, cache.forwardPass);
  /** Drawn, and of those the ones that are part of the text. */
  const drawn: PositionLogprobs[] = [];
  const positions: PositionLogprobs[] = [];
  checkWhenFull(options.whenFull);

  const leaving = new AbortController();
  const meters = { prefill: new StageMeter(), decode: new StageMeter() };

  const resultWith = (stop: StopReason): GenerationResult => ({
    text: written.text,
    ...(calls && { toolCalls: [...written.toolCalls] }),
    tokens: sequence.slice(prompt.length),
    ...(logprobs && { logprobs: [...positions] }),
    promptTokens: prompt.length,
    prefill: meters.prefill.timing,
    decode: meters.decode.timing,
    usage: usageOf(prompt.length, meters.prefill.timing.tokens, sequence.length - prompt.length),
    drafts: { ...drafts },
    stop,
    seed: sampling.kind === "sample" ? sampling.seed : (options.seed ?? 0),
  });

  async function* run(): AsyncGenerator<string, GenerationResult, void> {
    const unfollow = follow(signal, leaving);
    try {
      throwIfAborted(leaving.signal, "generation");
      if (typeof promptIds === "function") {
        begin(await promptIds(pause));
        if (beside) constraint = constraintOf(options, tokenizer, model.endTokenIds, beside);
      }
      const sampler = new Sampler(sampling, config.vocabSize, cache.forwardPass, constraint);
      model.begin?.(Math.min(limits.contextSize, prompt.length + limits.maxTokens));
      const choose = (logits: Float32Array, ids: readonly number[]) => {
        const logprobsOf = logprobs?.read(logits);
        const token = sampler.next(logits, ids, prompt.length);
        // Drafts may be drawn that are given up again: each has its place.
        if (logprobsOf) drawn[ids.length - prompt.length] = logprobsOf(token);
        return token;
      };
      constraint?.prepare();
      return yield* steps({ cache, choose, isOver, meter: meters.decode, policy, signal: leaving.signal });
    } finally {
      unfollow();
      cache.leave(sequence);
      model.end?.();
    }
  }

  function isOver(ids: readonly number[]): boolean {
    return endTokenIds.has(ids.at(-1)!) || constraint?.isOver(ids.slice(prompt.length)) === true;
  }

  async function pause(): Promise<void> {
    await model.letEventsRun?.();
    throwIfAborted(leaving.signal, "generation");
  }

  async function* steps(decoding: Decoding): AsyncGenerator<string, GenerationResult, void> {
    let stop = limitReached(limits, 0, prompt.length); // maxTokens = 0 only fills the cache
    const next = await prefill(cache, prompt, (logits) => decoding.choose(logits, sequence), meters.prefill, leaving.signal);
    const tokens = tokensAfter(next, decoding);
    try {
      while (stop === undefined) {
        const token = (await tokens.next()).value!;
        if (endTokenIds.has(token)) {
          stop = "eos";
          break;
        }
        if (logprobs) positions.push(drawn[sequence.length - prompt.length]!);
        sequence.push(token);
        cache.give(sequence, sequence.length);
        const before = written.toolCalls.length;
        const piece = written.push(token);
        if (piece !== "" || written.toolCalls.length > before) yield piece;
        stop = stops.found === undefined ? undefined : "stop";
        if (constraint?.isOver(sequence.slice(prompt.length))) stop ??= "eos";
        stop ??= limitReached(limits, sequence.length - prompt.length, sequence.length);
      }
    } finally {
      await tokens.return(undefined);
    }
    const rest = written.flush();
    if (rest !== "") yield rest;
    return resultWith(stops.found === undefined ? stop : "stop");
  }

  /** The first token, then each that comes of decoding, for as long as they are asked for. */
  async function* tokensAfter(first: number, decoding: Decoding): AsyncGenerator<number, undefined, void> {
    yield first;
    const drafter = draftMax > 0 ? new Drafter(prompt, contextSize, draftMax, policy) : undefined;
    for (;;) {
      drafter?.push(sequence.at(-1)!);
      // A token is drawn after the last draft too.
      const room = Math.min(prompt.length + limits.maxTokens - 1, cache.forwardPass.mostTokens) - sequence.length;
      const before = sequence.length;
      const step = await decode(decoding, sequence, drafter?.draft(room, endTokenIds) ?? []);
      drafts.drafted += step.drafted;
      let taken = 0;
      try {
        for (const token of step.tokens) {
          if (taken > 0) {
            throwIfAborted(leaving.signal, "decode");
            drafter?.push(sequence.at(-1)!);
            drafts.accepted++;
          }
          taken++;
          meters.decode.count();
          yield token;
        }
      } finally {
        // Where it ends before all of them were taken, drafts behind those taken are no part of the text.
        cache.trim(before + Math.max(taken - 1, 0));
      }
    }
  }

  const partial = () => {
    written.flush();
    return resultWith("cancelled");
  };
  return new Generation(explainAbort(run(), partial), partial, () => leaving.abort(), {
    logprobs: logprobs && positions,
    toolCalls: calls && written.toolCalls,
  });
}

function usageOf(promptTokens: number, evaluated: number, completionTokens: number): TokenUsage {
  const cachedTokens = promptTokens - evaluated;
  return { promptTokens, cachedTokens, completionTokens, totalTokens: promptTokens + completionTokens };
}

/** @throws OptionError for a number that is none, or of more tokens than can be given */
function readerOf(count: number | undefined, pass: ForwardPass): LogprobReader | undefined {
  if (count === undefined) return undefined;
  return new LogprobReader(pass, pass.config.vocabSize, need.whole("logprobs", count, 0, MOST_TOP_LOGPROBS));
}

/** Gives an AbortError the partial result to carry. */
async function* explainAbort(
  run: AsyncGenerator<string, GenerationResult, void>,
  partial: () => GenerationResult,
): AsyncGenerator<string, GenerationResult, void> {
  try {
    return yield* run;
  } catch (error) {
    if (error instanceof AbortError) throw new GenerationAbortError(partial(), error.cause ?? error);
    throw error;
  }
}

/** @throws OptionError for a name that is none */
function checkWhenFull(whenFull: unknown): void {
  if (whenFull === undefined || whenFull === "wait" || whenFull === "refuse") return;
  throw new OptionError(`whenFull: got ${JSON.stringify(whenFull)}, need "wait" or "refuse"`);
}

/**
 * Tokens of a draft, at most.
 * @throws OptionError for more than fit behind a prompt of one token
 */
function resolveDraftMax(draftMax: number | undefined, mostTokens: number): number {
  if (draftMax === undefined) return Math.min(DEFAULT_DRAFT_MAX, mostTokens - 1);
  return need.whole("draftMax", draftMax, 0, mostTokens - 1);
}
