/** Answers in OpenAI's shapes, whole and as the chunks of a stream. */
import type { GenerationResult } from "fptq";

export type FinishReason = "stop" | "length";

export interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
  readonly prompt_tokens_details: { readonly cached_tokens: number };
}

/** How one of the two endpoints words its answers. */
export interface Format {
  whole(result: GenerationResult): object;
  /** Chunks before the first text, for one piece of it, and after the last. */
  begin(): readonly object[];
  piece(text: string): object;
  end(result: GenerationResult, includeUsage: boolean): readonly object[];
}

/** @param model the name that answers carry */
export function chatFormat(model: string): Format {
  const fields = { id: `chatcmpl-${crypto.randomUUID()}`, created: now(), model };
  const chunk = (delta: object, reason: FinishReason | null) => ({
    ...fields,
    object: "chat.completion.chunk",
    choices: [{ index: 0, delta, logprobs: null, finish_reason: reason }],
  });
  return {
    whole: (result) => ({
      ...fields,
      object: "chat.completion",
      choices: [
        { index: 0, message: { role: "assistant", content: result.text }, logprobs: null, finish_reason: finishReason(result) },
      ],
      usage: usage(result),
    }),
    begin: () => [chunk({ role: "assistant", content: "" }, null)],
    piece: (content) => chunk({ content }, null),
    end: (result, includeUsage) => [
      chunk({}, finishReason(result)),
      ...(includeUsage ? [{ ...fields, object: "chat.completion.chunk", choices: [], usage: usage(result) }] : []),
    ],
  };
}

/** @param model the name that answers carry */
export function textFormat(model: string): Format {
  const fields = { id: `cmpl-${crypto.randomUUID()}`, object: "text_completion", created: now(), model };
  const choice = (text: string, reason: FinishReason | null) => ({
    ...fields,
    choices: [{ index: 0, text, logprobs: null, finish_reason: reason }],
  });
  return {
    whole: (result) => ({ ...choice(result.text, finishReason(result)), usage: usage(result) }),
    begin: () => [],
    piece: (text) => choice(text, null),
    end: (result, includeUsage) => [
      choice("", finishReason(result)),
      ...(includeUsage ? [{ ...fields, choices: [], usage: usage(result) }] : []),
    ],
  };
}

/** Seconds, as in OpenAI's `created`. */
const now = () => Math.floor(Date.now() / 1000);

function finishReason({ stop }: GenerationResult): FinishReason {
  return stop === "length" || stop === "context" ? "length" : "stop";
}

function usage({ promptTokens, tokens, prefill }: GenerationResult): Usage {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: tokens.length,
    total_tokens: promptTokens + tokens.length,
    prompt_tokens_details: { cached_tokens: promptTokens - prefill.tokens },
  };
}
