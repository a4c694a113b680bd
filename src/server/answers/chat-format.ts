/** Answers of `/v1/chat/completions`. */
import type { PositionLogprobs } from "../../decoding/token-logprobs.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import type { AnswerParser, AnswerPart } from "../../decoding/tool-calls/answer-parser.ts";
import type { AnswerReading } from "../../decoding/tool-calls/answer-parsing.ts";
import { type Choice, type Format, now, UNNAMED } from "./format.ts";
import { chatLogprobs } from "./token-texts.ts";
import { type FinishReason, finishReason, timingsOf, usageOf } from "./usage.ts";

/**
 * @param model the name that answers carry
 * @param reading finds calls and thoughts in the text of each choice
 */
export function chatFormat(model: string, tokenizer: Tokenizer, { parser: parserFor, callId }: AnswerReading): Format {
  const fields = { id: `chatcmpl-${crypto.randomUUID()}`, created: now(), model };
  const streams = new Map<number, { parser: AnswerParser; calls: number }>();
  const logprobs = (positions: readonly PositionLogprobs[] | undefined) =>
    positions && { content: chatLogprobs(tokenizer, positions), refusal: null };
  const chunk = (index: number, delta: object, reason: FinishReason | null = null, rest: object = {}) => ({
    ...fields,
    object: "chat.completion.chunk",
    choices: [{ index, delta, logprobs: null as object | null, finish_reason: reason }],
    ...rest,
  });

  const whole = ({ index, result }: Choice) => {
    const parser = parserFor();
    const parts = [...parser.push(result.text), ...parser.flush()];
    const joined = (kind: "text" | "reasoning") => parts.flatMap((part) => (part.kind === kind ? [part.text] : [])).join("");
    const calls = parts.flatMap((part) => (part.kind === "call" ? [callOf(part, callId())] : []));
    const [content, reasoning] = [joined("text"), joined("reasoning")];
    return {
      index,
      message: {
        role: "assistant",
        content: content === "" && calls.length > 0 ? null : content,
        ...(reasoning !== "" && { reasoning_content: reasoning }),
        ...(calls.length > 0 && { tool_calls: calls }),
      },
      logprobs: logprobs(result.logprobs) ?? null,
      finish_reason: reasonOf(result, calls.length),
    };
  };

  /** Chunks of the parts of a choice; the first one carries the log-probabilities of all. */
  const chunksOf = (index: number, parts: readonly AnswerPart[], positions: readonly PositionLogprobs[] | undefined) => {
    const stream = streams.get(index)!;
    const chunks = parts.map((part) => {
      if (part.kind === "text") return chunk(index, { content: part.text });
      if (part.kind === "reasoning") return chunk(index, { reasoning_content: part.text });
      return chunk(index, { tool_calls: [{ index: stream.calls++, ...callOf(part, callId()) }] });
    });
    if (positions && positions.length > 0) {
      chunks[0] ??= chunk(index, {});
      chunks[0].choices[0]!.logprobs = logprobs(positions)!;
    }
    return chunks;
  };

  return {
    ...UNNAMED,
    whole: (choices) => ({
      ...fields,
      object: "chat.completion",
      choices: choices.flat().map(whole),
      usage: usageOf(choices),
      timings: timingsOf(choices[0]![0]!.result),
    }),
    begin(index) {
      streams.set(index, { parser: parserFor(), calls: 0 });
      return [chunk(index, { role: "assistant", content: "" })];
    },
    piece: (index, text, positions) => chunksOf(index, streams.get(index)!.parser.push(text), positions),
    end({ index, result }) {
      const rest = chunksOf(index, streams.get(index)!.parser.flush(), undefined);
      const reason = reasonOf(result, streams.get(index)!.calls);
      return [...rest, chunk(index, {}, reason, { timings: timingsOf(result) })];
    },
    usage: (choices) => ({
      ...fields,
      object: "chat.completion.chunk",
      choices: [],
      usage: usageOf(choices),
    }),
  };
}

function reasonOf(result: Choice["result"], calls: number): FinishReason {
  const reason = finishReason(result);
  return reason === "stop" && calls > 0 ? "tool_calls" : reason;
}

function callOf({ name, arguments: given }: Extract<AnswerPart, { kind: "call" }>, id: string): object {
  return { id, type: "function", function: { name, arguments: given } };
}
