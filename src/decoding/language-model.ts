/** A model ready for use: text in, text out, and everything a caller may want to look at. */
import { withModel } from "../checkpoint/open-checkpoint.ts";
import type { ModelLocation } from "../checkpoint/byte-source.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { DenseWeights, Pooling } from "../checkpoint/pooling.ts";
import type { RecommendedSampling } from "../checkpoint/recommended-sampling.ts";
import type { ModelConfig } from "../architecture/model-config.ts";
import { CheckpointError, DownloadError } from "../errors.ts";
import { checkOptions } from "../option-keys.ts";
import { type LoadOptions, resolveContextSize } from "../model/load-options.ts";
import { prepareKernels } from "../model/prepare-kernels.ts";
import { Transformer } from "../model/transformer.ts";
import type { Host } from "../host/host.ts";
import { chatTemplateSource } from "../tokenizer/chat-template.ts";
import { Tokenizer } from "../tokenizer/tokenizer.ts";
import { ID_TEXTS, IdsOnly, noTokenizer } from "./ids-only.ts";
import { PROMPT_OPTIONS, type Prompt, type PromptOptions } from "./prompt.ts";
import { type PendingIds, PromptEncoder } from "./prompt-encoder.ts";
import { TextSequence } from "./text-sequence.ts";
import { type DraftPolicy, PayingDrafts } from "./drafts/draft-policy.ts";
import { PassCosts } from "./drafts/pass-costs.ts";
import { embed, EMBED_OPTIONS, type EmbedOptions } from "./embed.ts";
import type { TextTokenizer } from "./generate.ts";
import type { Generation } from "./generation.ts";
import { type AnswerParsing, answerParsing } from "./tool-calls/answer-parsing.ts";
import { GENERATE_OPTIONS, type GenerateOptions } from "./generation-options.ts";
import { rerank, RERANK_OPTIONS, type RerankOptions } from "./rerank.ts";

/** Bytes a model holds: three regions of WebAssembly memory, and what JavaScript keeps beside it. */
export interface ModelMemory {
  /** Packed weights. */
  readonly weights: number;
  /** Cache of keys and values, for all sequences. */
  readonly kvCache: number;
  /** What a forward pass works in, threads included. */
  readonly scratch: number;
  /** The tokenizer, estimated (`Tokenizer.heapBytes`); nothing else of size stays on JavaScript's heap. */
  readonly js: number;
  /** Sum of all. */
  readonly total: number;
}

/**
 * Loaded model: texts, vectors, scores.
 *
 * @example
 * ```ts
 * import { loadModel } from "fptq";
 *
 * await using model = await loadModel("model-w4a8");
 * const { text, decode } = await model.generate("Once upon a time", { maxTokens: 40 }).result;
 * console.log(text, decode.tokensPerSecond, model.memory().total);
 * ```
 */
export class LanguageModel implements AsyncDisposable {
  /** Sizes and choices of the model. */
  readonly config: ModelConfig;
  /** The model itself: ids in, logits out, over a sequence of its own that nothing else uses. */
  readonly forwardPass: Transformer;
  /** Ids that end a generation. */
  readonly endTokenIds: readonly number[];
  /**
   * Sampling that the model's authors recommend (`generation_config.json`, `general.sampling.*` of a GGUF):
   * `generate()` uses it for options the caller does not give.
   */
  readonly recommendedSampling: RecommendedSampling;
  /** Source of the chat template (Jinja); undefined for a model without one. */
  readonly chatTemplate: string | undefined;
  /** How states become vectors of texts, where the checkpoint says so: `embed()` goes by it. */
  readonly pooling: Pooling | undefined;
  /** @internal Weights of the linear layers behind pooling. */
  readonly dense: readonly DenseWeights[];
  readonly #passCosts = new PassCosts();
  /** @internal Tests have others. */
  draftPolicy: () => DraftPolicy = () => new PayingDrafts(this.#passCosts);
  /** @internal What the chat template says of answers. */
  readonly answers = (): AnswerParsing => (this.#answers ??= answerParsing(this.chatTemplate ?? ""));
  #answers: AnswerParsing | undefined;
  readonly #name: string;
  readonly #tokenizer: Tokenizer | undefined;
  readonly #prompts: PromptEncoder | IdsOnly;

  private constructor(
    checkpoint: Checkpoint,
    tokenizer: Tokenizer | undefined,
    forwardPass: Transformer,
    { onWarning, dense }: Pick<LoadOptions, "onWarning"> & { readonly dense: readonly DenseWeights[] },
  ) {
    const { config, name, tokenizer: files } = checkpoint;
    this.config = config;
    this.forwardPass = forwardPass;
    this.#name = name;
    this.#tokenizer = tokenizer;
    this.#prompts = tokenizer && files ? new PromptEncoder(tokenizer, { name, ...files }, onWarning) : new IdsOnly(name);
    this.chatTemplate = files && chatTemplateSource(files.tokenizerConfig);
    const eosTokenId = tokenizer?.eosTokenId;
    const ends = [...checkpoint.generation.eosTokenIds, ...(eosTokenId === undefined ? [] : [eosTokenId])];
    this.endTokenIds = [...new Set(ends)];
    this.recommendedSampling = checkpoint.generation.sampling;
    this.pooling = checkpoint.pooling;
    this.dense = dense;
  }

  /**
   * Loads a quantized folder, or a float folder or GGUF, which then runs in float32.
   *
   * @throws CheckpointError, UnsupportedModelError, OptionError, CapabilityError, AbortError. Nothing stays
   *   open or running then.
   */
  static async load(location: ModelLocation, host: Host, options: LoadOptions = {}): Promise<LanguageModel> {
    try {
      return await LanguageModel.#loadOnce(location, host, options);
    } catch (error) {
      // What was wrong may have come from a cache, which then no longer has it.
      const isContent = error instanceof CheckpointError && !(error instanceof DownloadError);
      if (!isContent || !(await location.forgetUnverified?.())) throw error;
      return LanguageModel.#loadOnce(location, host, options);
    }
  }

  static async #loadOnce(location: ModelLocation, host: Host, options: LoadOptions): Promise<LanguageModel> {
    prepareKernels(host, options);
    return withModel(location, options, async (checkpoint) => {
      resolveContextSize(options, checkpoint.config);
      const { tokenizer: files, name } = checkpoint;
      checkpoint.startVerifying?.();
      let tokenizer: Tokenizer | undefined;
      const makeTokenizer = files && (() => void (tokenizer = new Tokenizer(files, name)));
      const forwardPass = await Transformer.load(checkpoint, host, options, makeTokenizer);
      try {
        const dense = (await checkpoint.readDense?.(options.signal)) ?? [];
        await checkpoint.verify(options.signal);
        return new LanguageModel(checkpoint, tokenizer, forwardPass, { ...options, dense });
      } catch (error) {
        await forwardPass.dispose();
        throw error;
      }
    });
  }

  /** Whether the checkpoint has a tokenizer. A model without one takes token ids in place of text. */
  get hasTokenizer(): boolean {
    return this.#tokenizer !== undefined;
  }

  /** @throws UnsupportedModelError for a model without one */
  get tokenizer(): Tokenizer {
    if (this.#tokenizer) return this.#tokenizer;
    throw noTokenizer(this.#name);
  }

  /**
   * @internal What makes text of generated ids: the tokenizer or, without one, their numbers.
   * @throws UnsupportedModelError for texts to stop at without a tokenizer
   */
  textTokenizerFor({ stop = [] }: GenerateOptions): TextTokenizer {
    if (this.#tokenizer) return this.#tokenizer;
    return stop.length > 0 ? this.tokenizer : ID_TEXTS;
  }

  /**
   * Continues a prompt, in a sequence of its own: any number of generations may run at a time, and their
   * steps go through the model together. Prompts that begin alike share what was computed. Nothing runs
   * before the first piece or the result is asked for, except that a text of up to
   * 64 Ki characters is encoded at once.
   *
   * @example
   * ```ts
   * const generation = model.generate([{ role: "user", content: "Hello" }], { maxTokens: 64 });
   * for await (const text of generation) process.stdout.write(text);
   * const { stop, usage } = await generation.result;
   * ```
   * @returns pieces of text to iterate, never half a character, and `result` with ids, timings and the reason
   *   it ended. The text of a model without a tokenizer is the ids as numbers, with a space between them
   * @throws OptionError at once for options outside their domain or a prompt longer than the context;
   *   UnsupportedModelError for texts, or texts to stop at, where there is no tokenizer
   */
  generate(prompt: Prompt, options: GenerateOptions = {}): Generation {
    checkOptions(options, PROMPT_OPTIONS, GENERATE_OPTIONS);
    const sequence = new TextSequence(this);
    const ids = options.signal?.aborted ? [] : this.promptIdsBehind(0, prompt, options);
    return sequence.generateOnce(ids, options);
  }

  /**
   * Makes an empty sequence, to be continued step by step, forked, cut, saved. Dispose of it after use.
   *
   * @example
   * ```ts
   * using story = model.createSequence();
   * await story.generate("Once upon a time", { maxTokens: 40 }).result;
   * const { text } = await story.generate(" Suddenly", { maxTokens: 40 }).result;
   * ```
   */
  createSequence(): TextSequence {
    return new TextSequence(this);
  }

  /**
   * Token ids of a prompt, special tokens included.
   *
   * @example
   * ```ts
   * const ids = model.promptIds([{ role: "user", content: "Hello" }]);
   * console.log(`${ids.length} tokens`);
   * ```
   * @throws OptionError for what is no prompt, or messages that the template refuses; UnsupportedModelError
   *   for messages without a template, or text without a tokenizer
   */
  promptIds(prompt: Prompt, options: PromptOptions = {}): readonly number[] {
    checkOptions(options, PROMPT_OPTIONS);
    return this.#prompts.encode(prompt, options);
  }

  /** @internal Those of a prompt behind `length` tokens. @throws OptionError also for one that cannot fit */
  promptIdsBehind(length: number, prompt: Prompt, options: GenerateOptions): readonly number[] | PendingIds {
    const shown = options.toolChoice === "none" ? { ...options, tools: undefined } : options;
    return this.#prompts.encodeFor(prompt, shown, { length, contextSize: this.forwardPass.contextSize });
  }

  /**
   * Logits after each id of a sequence that starts at position 0.
   *
   * @example
   * ```ts
   * const ids = model.tokenizer.encode("The capital of France is");
   * const last = (await model.logits(ids)).slice(-model.config.vocabSize);
   * ```
   * @returns f32[S, V]
   */
  async logits(ids: readonly number[], signal?: AbortSignal): Promise<Float32Array> {
    using sequence = this.createSequence();
    return await sequence.logits(ids, signal);
  }

  /**
   * Vectors of texts, pooled and divided by their length as the checkpoint says. Texts go through the model
   * together; a vector does not depend on what else is in a call.
   *
   * @example
   * ```ts
   * const [query, document] = await model.embed(["Which planet is red?", "Mars is."], { pooling: "mean" });
   * const cosine = query!.reduce((sum, x, i) => sum + x * document![i]!, 0);
   * ```
   * @param texts texts, or their token ids; what the tokenizer puts around texts is put around these
   * @returns f32[E] for each text, or as many channels as asked for
   * @throws OptionError for a text without tokens or too long for the context, or where neither the options
   *   nor the checkpoint say how to pool; NumericError; AbortError
   */
  async embed(texts: readonly (string | readonly number[])[], options: EmbedOptions = {}): Promise<Float32Array[]> {
    checkOptions(options, EMBED_OPTIONS);
    return embed(this, texts, options);
  }

  /**
   * Scores of documents, from 0 to 1: how well each answers a query, by the prompt and the two tokens of
   * Qwen3-Reranker.
   *
   * @example
   * ```ts
   * const documents = ["Venus is hot.", "Mars looks red."];
   * const scores = await model.rerank("Which planet is red?", documents);
   * ```
   * @throws UnsupportedModelError for a model without a head, or whose tokenizer lacks a token of the prompt;
   *   OptionError for a document too long for the context; NumericError; AbortError
   */
  async rerank(query: string, documents: readonly string[], options: RerankOptions = {}): Promise<number[]> {
    checkOptions(options, RERANK_OPTIONS);
    return rerank(this, query, documents, options);
  }

  /** Bytes it takes, by purpose. */
  memory(): ModelMemory {
    const { weights, kvCache, scratch } = this.forwardPass.memory();
    const js = this.#tokenizer?.heapBytes ?? 0;
    return { weights, kvCache, scratch, js, total: weights + kvCache + scratch + js };
  }

  /**
   * Ends the threads, and what is running with a DisposedError, and lets go of the memory. The model cannot
   * be used afterwards. One that is never disposed, and that nobody can reach any more, goes with its threads
   * when the engine collects it.
   */
  async dispose(): Promise<void> {
    await this.forwardPass.dispose();
  }

  /** @see dispose */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }
}
