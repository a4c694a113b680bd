/** What a model said as contents of the AI SDK: text, thoughts and calls of functions. */
import type {
  LanguageModelV4Content,
  LanguageModelV4FinishReason,
  LanguageModelV4StreamPart,
  LanguageModelV4Usage,
} from "@ai-sdk/provider";
import type { GenerationResult } from "../decoding/generation-options.ts";
import type { AnswerPart } from "../decoding/tool-calls/answer-parser.ts";

/**
 * Parts of one kind that follow each other are one content.
 *
 * @param callId names a call
 */
export function contentOf(parts: readonly AnswerPart[], callId: () => string): LanguageModelV4Content[] {
  const content: LanguageModelV4Content[] = [];
  for (const part of parts) {
    const last = content.at(-1);
    if (part.kind === "call") content.push(toolCall(part, callId()));
    else if (last?.type === part.kind) last.text += part.text;
    else content.push({ type: part.kind, text: part.text });
  }
  return content;
}

/** The same as parts of a stream, of which each content has a name of its own. */
export class ContentStream {
  #contents = 0;
  #open: { readonly kind: "text" | "reasoning"; readonly id: string } | undefined;
  readonly #callId: () => string;
  calls = 0;

  constructor(callId: () => string) {
    this.#callId = callId;
  }

  push(parts: readonly AnswerPart[]): LanguageModelV4StreamPart[] {
    return parts.flatMap((part) => {
      if (part.kind === "call") {
        this.calls++;
        return [...this.end(), ...toolParts(toolCall(part, this.#callId()))];
      }
      const begin = this.#open?.kind === part.kind ? [] : [...this.end(), this.#begin(part.kind)];
      return [...begin, { type: `${part.kind}-delta`, id: this.#open!.id, delta: part.text }];
    });
  }

  end(): LanguageModelV4StreamPart[] {
    const open = this.#open;
    this.#open = undefined;
    return open ? [{ type: `${open.kind}-end`, id: open.id }] : [];
  }

  #begin(kind: "text" | "reasoning"): LanguageModelV4StreamPart {
    this.#open = { kind, id: `${this.#contents++}` };
    return { type: `${kind}-start`, id: this.#open.id };
  }
}

type CallPart = Extract<AnswerPart, { kind: "call" }>;

type ToolCall = Extract<LanguageModelV4Content, { type: "tool-call" }>;

function toolCall({ name, arguments: input }: CallPart, toolCallId: string): ToolCall {
  return { type: "tool-call", toolCallId, toolName: name, input };
}

/** A call is known when it is whole, so its input comes in one piece. */
function toolParts(call: ToolCall): LanguageModelV4StreamPart[] {
  const { toolCallId: id, toolName, input } = call;
  return [
    { type: "tool-input-start", id, toolName },
    { type: "tool-input-delta", id, delta: input },
    { type: "tool-input-end", id },
    call,
  ];
}

export function finishReasonOf({ stop }: GenerationResult, calls: number): LanguageModelV4FinishReason {
  const ended = stop === "eos" || stop === "stop";
  return { unified: !ended ? "length" : calls > 0 ? "tool-calls" : "stop", raw: stop };
}

export function usageOf({ promptTokens, prefill, tokens }: GenerationResult): LanguageModelV4Usage {
  return {
    inputTokens: {
      total: promptTokens,
      noCache: prefill.tokens,
      cacheRead: promptTokens - prefill.tokens,
      cacheWrite: undefined,
    },
    outputTokens: { total: tokens.length, text: undefined, reasoning: undefined },
  };
}
