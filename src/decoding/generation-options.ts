/** What a caller may ask of a generation, with llama.cpp's defaults where it has them. */
import { type OptionKeys, optionKeys } from "../option-keys.ts";
import type { Grammar } from "./grammar/grammar.ts";
import type { ResponseFormat } from "./grammar/response-format.ts";
import type { PromptOptions } from "./prompt.ts";
import type { PositionLogprobs } from "./token-logprobs.ts";
import type { ToolChoice } from "./tool-calls/asked-calls.ts";
import type { ToolCall } from "./tool-calls/tool-call.ts";

/**
 * How the next token is drawn. An option that is not given is what the model's authors recommend, if they do
 * (`LanguageModel.recommendedSampling`), else the default below, llama.cpp's.
 */
export interface SamplingOptions {
  /** 0 means greedy: the most likely token, the lowest id among equals. Default 0.8. */
  readonly temperature?: number | undefined;
  /** Keep the k most likely; 0 keeps all. Default 40. */
  readonly topK?: number | undefined;
  /** Keep the smallest set whose probabilities reach p; 1 keeps all. Default 0.95. */
  readonly topP?: number | undefined;
  /** Keep tokens at least this share as likely as the most likely one; 0 keeps all. Default 0.05. */
  readonly minP?: number | undefined;
  /** Divides positive and multiplies negative logits of recent tokens; 1 does nothing. Default 1. */
  readonly repeatPenalty?: number | undefined;
  /** How many recent tokens the penalty sees; 0 none, -1 all. Default 64. */
  readonly repeatLastN?: number | undefined;
  /** Taken off the logit of each token generated so far, -2..2 (OpenAI's rule). Default 0. */
  readonly presencePenalty?: number | undefined;
  /** The same for each time it was generated, -2..2. Default 0. */
  readonly frequencyPenalty?: number | undefined;
  /** What is added to logits, -100..100 by token id, before anything else. */
  readonly logitBias?: Readonly<Record<number, number>> | undefined;
  /** Seed of the generator, 0..2^32-1; by default a random one, reported in the result. */
  readonly seed?: number | undefined;
}

/** How a text is generated: sampling, its end, its form. */
export interface GenerateOptions extends SamplingOptions, PromptOptions {
  /** At most this many tokens; by default until the context is full. */
  readonly maxTokens?: number | undefined;
  /** Texts that end the generation; they are not part of the output. */
  readonly stop?: readonly string[] | undefined;
  /** Special tokens whose text is part of the output, as where one marks a call. Default: none. */
  readonly keptTokens?: readonly string[] | undefined;
  /**
   * Give the log-probability of each generated token and of so many of the likeliest in its place, 0..20, as
   * the model has them: before penalties, bias, temperature and filters. Default: none.
   */
  readonly logprobs?: number | undefined;
  /**
   * The form of the text: JSON, or JSON that a schema holds for, as OpenAI's `response_format`. Each token is
   * drawn of those that may come, so that the text has that form unless `stop`, "length" or "context" cut it.
   * A schema with keywords that texts cannot be held to is refused.
   */
  readonly responseFormat?: ResponseFormat | undefined;
  /** The same as a grammar, in llama.cpp's notation (GBNF), in place of `responseFormat`. */
  readonly grammar?: string | Grammar | undefined;
  /**
   * Which of `tools` are called, as OpenAI's `tool_choice`: "auto" leaves it to the model (the default),
   * "none" offers none, "required" makes it call one, `{ type: "function", function: { name } }` that one.
   * Functions with `strict: true` have arguments of their schema wherever they are called.
   */
  readonly toolChoice?: ToolChoice | undefined;
  /** Whether there may be several calls. Default true. */
  readonly parallelToolCalls?: boolean | undefined;
  /** Keep generating after an end token. Default false. */
  readonly ignoreEos?: boolean | undefined;
  /**
   * Tokens guessed ahead, at most, where the text repeats what was in it before. They are checked in one
   * pass: the text is the same and comes sooner. How many are guessed is decided while running, by what it
   * gains; 0 is never. Default 16.
   */
  readonly draftMax?: number | undefined;
  /**
   * Where others that are running hold so much of the KV cache that prompt and `maxTokens` do not fit: "wait"
   * for them, in order of arrival (the default), or "refuse" with a CapacityError that has the tokens needed
   * and free. Nobody's text changes either way.
   */
  readonly whenFull?: "wait" | "refuse" | undefined;
  /** Ends the generation, with a `GenerationAbortError` that has what came until then. */
  readonly signal?: AbortSignal | undefined;
}

export const GENERATE_OPTIONS: OptionKeys = optionKeys<Omit<GenerateOptions, keyof PromptOptions>>({
  temperature: 0, topK: 0, topP: 0, minP: 0, repeatPenalty: 0, repeatLastN: 0, presencePenalty: 0, frequencyPenalty: 0,
  logitBias: 0, seed: 0, maxTokens: 0, logprobs: 0, stop: 0, keptTokens: 0, responseFormat: 0, grammar: 0, toolChoice: 0,
  parallelToolCalls: 0, ignoreEos: 0, draftMax: 0, whenFull: 0, signal: 0,
}); // prettier-ignore

/** One of the two stages; what counts as its tokens is said in `prefill.ts` and `decode.ts`. */
export interface StageTiming {
  /** Tokens evaluated in this stage. */
  readonly tokens: number;
  /** Milliseconds it took. */
  readonly ms: number;
  /** 0 if no token was evaluated. */
  readonly tokensPerSecond: number;
}

/** Why a generation ended; "cancelled" if its consumer left early or aborted it. */
export type StopReason = "eos" | "stop" | "length" | "context" | "cancelled";

/** Tokens that were guessed ahead. */
export interface DraftCounts {
  /** Those that went through the model. */
  readonly drafted: number;
  /** Those of them that came. */
  readonly accepted: number;
}

/** Tokens of a generation, counted as OpenAI does. */
export interface TokenUsage {
  /** Tokens of the prompt. */
  readonly promptTokens: number;
  /** Those of them that were computed already. */
  readonly cachedTokens: number;
  /** Tokens generated. */
  readonly completionTokens: number;
  /** Both together. */
  readonly totalTokens: number;
}

/** What a generation came to. */
export interface GenerationResult {
  /** The text of `tokens`, up to a stop string if one was found, without calls of functions. */
  readonly text: string;
  /** Calls of the functions that were offered; undefined where none were. */
  readonly toolCalls?: readonly ToolCall[];
  /** Generated ids, the end token not included; those of a stop string are. */
  readonly tokens: readonly number[];
  /** Those of `tokens`, if they were asked for. */
  readonly logprobs?: readonly PositionLogprobs[];
  /** All tokens of the prompt; `prefill.tokens` are those that were not in the KV cache already. */
  readonly promptTokens: number;
  /** Prompt, as far as it was computed. */
  readonly prefill: StageTiming;
  /** Tokens after it. */
  readonly decode: StageTiming;
  /** Tokens counted as OpenAI counts them. */
  readonly usage: TokenUsage;
  /** Tokens that were guessed ahead. */
  readonly drafts: DraftCounts;
  /** Why it ended. */
  readonly stop: StopReason;
  /** Gives the same tokens again with the same options; 0 if greedy and none was given. */
  readonly seed: number;
}
