/** Requests from a seed: prompts of 50 to 500 tokens, each from another place of a text. */
import { mulberry32 } from "../../test/random.ts";
import type { CompletionRequest } from "./ask.ts";

/** @param ids tokens of a text, more than the longest prompt has */
export function requestsOf(
  ids: readonly number[],
  { count, tokens, shortest, longest, seed }: { count: number; tokens: number; shortest: number; longest: number; seed: number },
): CompletionRequest[] {
  const random = mulberry32(seed);
  const below = (most: number) => Math.floor(random() * most);
  return Array.from({ length: count }, (_, i) => {
    const length = shortest + below(longest - shortest + 1);
    const begin = below(ids.length - length);
    return { prompt: ids.slice(begin, begin + length), max_tokens: tokens, seed: i, temperature: i % 2 };
  });
}
