/** Time to the first token of prompts that begin with the same tokens: of the first, and of the next ones. */
import { ask, type CompletionRequest } from "./ask.ts";

/** Words of each prompt behind those it shares. */
const OWN_TOKENS = 20;

export interface PrefixFigures {
  readonly prefixTokens: number;
  readonly firstMs: number;
  /** The median of the next ones. */
  readonly secondMs: number;
}

export async function measurePrefix(origin: string, ids: readonly number[], prefixTokens: number): Promise<PrefixFigures> {
  const prefix = ids.slice(0, prefixTokens);
  const asking = async (i: number): Promise<number> => {
    const own = ids.slice(prefixTokens + OWN_TOKENS * i, prefixTokens + OWN_TOKENS * (i + 1));
    const request: CompletionRequest = { prompt: [...prefix, ...own], max_tokens: 2, seed: 0, temperature: 0 };
    return (await ask(origin, request)).firstMs;
  };
  const firstMs = await asking(0);
  const next: number[] = [];
  for (let i = 1; i <= 5; i++) next.push(await asking(i));
  return { prefixTokens, firstMs, secondMs: next.toSorted((a, b) => a - b)[2]! };
}
