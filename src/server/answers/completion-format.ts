/** Answers of `/v1/completions`. */
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import { type Choice, type Format, now, UNNAMED } from "./format.ts";
import { type CompletionToken, completionLogprobs } from "./token-texts.ts";
import { finishReason, timingsOf, usageOf } from "./usage.ts";

/** @param model the name that answers carry */
export function completionFormat(model: string, tokenizer: Tokenizer, withLogprobs: boolean): Format {
  const fields = { id: `cmpl-${crypto.randomUUID()}`, object: "text_completion", created: now(), model };
  /** Characters of each choice that were sent. */
  const sent = new Map<number, number>();
  const logprobs = (tokens: readonly CompletionToken[] | undefined, offset: number) =>
    withLogprobs ? completionLogprobs(tokenizer, tokens ?? [], offset) : null;
  const chunk = (choice: object, rest: object = {}) => ({ ...fields, choices: [choice], ...rest });

  const whole = ({ index, result, echo }: Choice) => ({
    index,
    text: (echo?.text ?? "") + result.text,
    logprobs: logprobs([...(echo?.tokens ?? []), ...tokensOf(result.logprobs)], 0),
    finish_reason: finishReason(result),
  });
  return {
    ...UNNAMED,
    whole: (choices) => ({
      ...fields,
      choices: choices.flat().map(whole),
      usage: usageOf(choices),
      timings: timingsOf(choices[0]![0]!.result),
    }),
    begin(index, echo) {
      sent.set(index, echo?.text.length ?? 0);
      if (!echo) return [];
      return [chunk({ index, text: echo.text, logprobs: logprobs(echo.tokens, 0), finish_reason: null })];
    },
    piece(index, text, positions) {
      const offset = sent.get(index) ?? 0;
      sent.set(index, offset + text.length);
      return [chunk({ index, text, logprobs: logprobs(tokensOf(positions), offset), finish_reason: null })];
    },
    end: ({ index, result }) => [
      chunk({ index, text: "", logprobs: null, finish_reason: finishReason(result) }, { timings: timingsOf(result) }),
    ],
    usage: (choices) => ({
      ...fields,
      choices: [],
      usage: usageOf(choices),
    }),
  };
}

function tokensOf(positions: Choice["result"]["logprobs"]): CompletionToken[] {
  return (positions ?? []).map((position) => ({ id: position.id, position }));
}
