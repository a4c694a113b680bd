/**
 * One text of a model, continued step by step. It keeps its tokens between calls, so that each one is
 * evaluated once; sequences that begin alike share what the KV cache has of them, and all that run at a time
 * go through the model together. None sees anything of the others.
 */
import type { RecommendedSampling } from "../checkpoint/recommended-sampling.ts";
import { CapacityError, OptionError } from "../errors.ts";
import type { Sequence } from "../model/sequences/sequence.ts";
import type { Transformer } from "../model/transformer.ts";
import type { DraftPolicy } from "./drafts/draft-policy.ts";
import { generate, type TextModel, type TextTokenizer } from "./generate.ts";
import type { Generation } from "./generation.ts";
import type { GenerateOptions } from "./generation-options.ts";
import type { PendingIds } from "./prompt-encoder.ts";
import type { Prompt } from "./prompt.ts";
import { TokenCache } from "./token-cache.ts";
import type { AnswerParsing } from "./tool-calls/answer-parsing.ts";
import { LogprobReader, MOST_TOP_LOGPROBS, type PositionLogprobs } from "./token-logprobs.ts";
import { need } from "../need.ts";

/** The model a sequence of text belongs to. */
interface TextSequenceModel {
  readonly endTokenIds: readonly number[];
  readonly recommendedSampling: RecommendedSampling;
  readonly forwardPass: Transformer;
  readonly draftPolicy: () => DraftPolicy;
  textTokenizerFor(options: GenerateOptions): TextTokenizer;
  readonly answers: () => AnswerParsing;
  promptIdsBehind(length: number, prompt: Prompt, options: GenerateOptions): readonly number[] | PendingIds;
}

/**
 * Text that is kept: continued, forked, cut, saved.
 *
 * @example
 * ```ts
 * using sequence = model.createSequence();
 * await sequence.generate("Once upon a time", { maxTokens: 40 }).result;
 * using other = sequence.fork();
 * console.log((await other.generate(" Suddenly", { maxTokens: 40 }).result).text);
 * ```
 */
export class TextSequence implements Disposable {
  readonly #model: TextSequenceModel;
  readonly #sequence: Sequence;
  readonly #cache: TokenCache;

  /** @internal Made by `LanguageModel.createSequence`. */
  constructor(model: TextSequenceModel, sequence = model.forwardPass.createSequence()) {
    this.#model = model;
    this.#sequence = sequence;
    sequence.shares = true;
    this.#cache = new TokenCache(sequence);
  }

  /**
   * Token ids, in order: those of every prompt and of what came of it, as `GenerationResult.tokens` has them.
   * The end token that ended a text is none of them; the last token of one that was cut by `maxTokens` is,
   * and `generate([])` goes on behind it as one longer generation would. What a prompt that was aborted had
   * evaluated stays. A text that ended for "context" has no room for its last token.
   */
  get tokens(): readonly number[] {
    return this.#cache.givenIds;
  }

  /**
   * Continues the sequence with a prompt and what the model makes of it; both are part of it afterwards. Text
   * is encoded without a beginning-of-sequence token unless the sequence is empty.
   *
   * @throws OptionError at once for options outside their domain, or tokens that do not fit the context;
   *   DisposedError
   */
  generate(prompt: Prompt, options: GenerateOptions = {}): Generation {
    this.#sequence.checkUsable();
    const added = options.signal?.aborted ? [] : this.#model.promptIdsBehind(this.tokens.length, prompt, options);
    const ids =
      typeof added === "function"
        ? async (pause: () => Promise<void>) => [...this.tokens, ...(await added(pause))]
        : [...this.tokens, ...added];
    return this.#generate(ids, options, () => (this.#sequence.rank = undefined));
  }

  /** @internal A generation that has the sequence for itself, which is disposed at its end. */
  generateOnce(promptIds: readonly number[] | PendingIds, options: GenerateOptions): Generation {
    return this.#generate(promptIds, options, () => this.dispose());
  }

  #generate(ids: readonly number[] | PendingIds, options: GenerateOptions, end: () => void): Generation {
    const tokenizer = this.#model.textTokenizerFor(options);
    const { endTokenIds, recommendedSampling, draftPolicy, forwardPass, answers } = this.#model;
    const begin = (tokens: number) => {
      const { available: free } = forwardPass.cacheTokens;
      const needed = forwardPass.roomOf(tokens);
      if (options.whenFull === "refuse" && needed > free) {
        throw new CapacityError(`cache: got ${needed} tokens to make room for, need at most ${free}, those free now`, {
          needed,
          free,
        });
      }
      this.#sequence.rank = forwardPass.arrive();
    };
    const letEventsRun = () => forwardPass.pacer.letEventsRun();
    const own = { cache: this.#cache, begin, end, letEventsRun } satisfies Partial<TextModel>;
    return generate({ ...own, tokenizer, endTokenIds, recommendedSampling, draftPolicy, answers }, ids, options);
  }

  /**
   * Appends ids and gives the logits after each of them, f32[ids.length, V].
   * @throws OptionError for ids outside the vocabulary or too many; NumericError; DisposedError; AbortError
   */
  async logits(ids: readonly number[], signal?: AbortSignal): Promise<Float32Array> {
    if (ids.length === 0) throw new OptionError("logits: got no ids, need at least 1");
    this.#cache.settle();
    const { vocabSize: V } = this.#model.forwardPass.config;
    const logits = new Float32Array(ids.length * V);
    await this.#sequence.forward(ids, { signal, logits: ({ values, firstRow }) => logits.set(values, firstRow * V) });
    return logits;
  }

  /**
   * Appends ids and gives the log-probability of each of them after those before it, with so many of the
   * likeliest in its place. The first id of an empty sequence has none: undefined.
   *
   * @param top 0 to 20
   * @throws as `logits`
   */
  async logprobs(ids: readonly number[], top = 0, signal?: AbortSignal): Promise<(PositionLogprobs | undefined)[]> {
    if (ids.length === 0) throw new OptionError("logprobs: got no ids, need at least 1");
    const { forwardPass } = this.#model;
    const reader = new LogprobReader(forwardPass, forwardPass.config.vocabSize, need.whole("top", top, 0, MOST_TOP_LOGPROBS));
    this.#cache.settle();
    // What says how likely the first of them is are the logits after the last id that is there.
    const before = this.#sequence.ids.slice(-1);
    const found: (PositionLogprobs | undefined)[] = before.length === 0 ? [undefined] : [];
    this.#sequence.truncate(this.#sequence.length - before.length);
    const next = [...before, ...ids];
    await this.#sequence.forward(next, {
      signal,
      logits: (block) =>
        void found.push(...reader.readRows(block, next.slice(block.firstRow + 1, block.firstRow + 1 + block.rows))),
    });
    return found;
  }

  /** Makes a sequence with the same tokens, which shares what is computed of them. */
  fork(): TextSequence {
    return new TextSequence(this.#model, this.#forkGiven());
  }

  /** What a generation has evaluated and not given yet is no part of a copy. */
  #forkGiven(): Sequence {
    const fork = this.#sequence.fork();
    const cache = new TokenCache(fork);
    cache.give(this.tokens, Infinity);
    cache.settle();
    return fork;
  }

  /** Forgets every token from position `length` on. */
  truncate(length: number): void {
    this.#cache.settle();
    this.#sequence.truncate(length);
  }

  /**
   * Gives the sequence as bytes: ids, keys and values, and what they belong to. `restore` takes them on any
   * machine and runtime, in a model of the same weights loaded with the same precision of the cache, and goes
   * on with the same bits.
   */
  async save(): Promise<Uint8Array<ArrayBuffer>> {
    if (this.tokens.length === this.#sequence.length) return this.#sequence.save();
    using given = this.#forkGiven();
    return await given.save();
  }

  /**
   * Becomes the sequence that was saved.
   * @throws CheckpointError for bytes that are truncated, changed, or of another checkpoint or precision; it
   *   stays as it is then
   */
  restore(bytes: Uint8Array): Promise<void> {
    this.#cache.settle();
    return this.#sequence.restore(bytes);
  }

  /**
   * Lets go of its part of the KV cache; a generation that runs ends with a DisposedError. It cannot be used
   * afterwards.
   */
  dispose(): void {
    this.#sequence.dispose();
  }

  /** @see dispose */
  [Symbol.dispose](): void {
    this.dispose();
  }
}
