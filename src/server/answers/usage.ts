/** What an answer took: OpenAI's usage, and llama.cpp's timings. */
import type { GenerationResult } from "../../decoding/generation-options.ts";
import type { Choice } from "./format.ts";

type Results = readonly (readonly Pick<Choice, "result">[])[];

/** @param choices by prompt; those of one prompt count it once */
export function tokenCounts(choices: Results): { prompt: number; cached: number; completion: number } {
  const results = choices.map((ofPrompt) => ofPrompt.map(({ result }) => result));
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
  return {
    prompt: sum(results.map(([first]) => first?.promptTokens ?? 0)),
    cached: sum(results.map(([first]) => (first ? first.promptTokens - first.prefill.tokens : 0))),
    completion: sum(results.flat().map(({ tokens }) => tokens.length)),
  };
}

/** @param choices by prompt */
export function usageOf(choices: Results): object {
  const { prompt, cached, completion } = tokenCounts(choices);
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: cached },
  };
}

/** llama-server's `timings`, in its words. */
export function timingsOf({ promptTokens, prefill, decode, drafts }: GenerationResult): object {
  const stage = (name: string, { tokens, ms, tokensPerSecond }: GenerationResult["prefill"]) => ({
    [`${name}_n`]: tokens,
    [`${name}_ms`]: ms,
    [`${name}_per_token_ms`]: tokens === 0 ? 0 : ms / tokens,
    [`${name}_per_second`]: tokensPerSecond,
  });
  return {
    cache_n: promptTokens - prefill.tokens,
    ...stage("prompt", prefill),
    ...stage("predicted", decode),
    draft_n: drafts.drafted,
    draft_n_accepted: drafts.accepted,
  };
}

export type FinishReason = "stop" | "length" | "tool_calls";

/** A text that was cut off, by its limit or by a deadline, has not come to its end. */
export function finishReason({ stop }: Pick<GenerationResult, "stop">): FinishReason {
  return stop === "eos" || stop === "stop" ? "stop" : "length";
}
