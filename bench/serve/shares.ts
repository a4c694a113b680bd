/**
 * What several clients can have of one model at most: rows of prompts cost the same in any company, steps of
 * one token cost less together. Processor time, so that other programs count less.
 */
import { quantile } from "../../src/evaluation/statistics.ts";
import type { LanguageModel } from "../../src/index.ts";

const ROUNDS = 3;
const STEPS = 24;
const COMPANY = 8;

export interface ShareFigures {
  /** Milliseconds: a token of a prompt, a step alone, and a step of one of eight. */
  readonly promptMs: number;
  readonly aloneMs: number;
  readonly togetherMs: number;
  /** Tokens of a prompt and of an answer that the bound is of. */
  readonly promptTokens: number;
  readonly tokens: number;
  /** Tokens a second of eight clients beside one client's, at most. */
  readonly bound: number;
}

/** @param promptTokens of a request @param tokens of its answer */
export async function measureShares(model: LanguageModel, promptTokens: number, tokens: number): Promise<ShareFigures> {
  let texts = 0;
  // Each text begins in its own way, so that nothing of it is found in the cache.
  const ids = (length: number) => {
    const begin = ++texts;
    return Array.from({ length }, (_, at) => (7919 * at + 104_729 * begin) % model.config.vocabSize);
  };
  const run = (length: number, maxTokens: number) =>
    model.generate(ids(length), { maxTokens, draftMax: 0, temperature: 0, ignoreEos: true }).result;
  const prompts = () => timed(() => run(promptTokens, 0), promptTokens);
  const alone = () => timed(() => run(1, STEPS), STEPS);
  const together = () => timed(() => Promise.all(Array.from({ length: COMPANY }, () => run(1, STEPS))), COMPANY * STEPS);
  const found: [number, number, number][] = [];
  for (let round = -1; round < ROUNDS; round++) {
    const times: [number, number, number] = [await prompts(), await alone(), await together()];
    if (round >= 0) found.push(times);
  }
  const median = (of: 0 | 1 | 2) => quantile(found.map((times) => times[of]).toSorted((a, b) => a - b), 0.5); // prettier-ignore
  const [promptMs, aloneMs, togetherMs] = [median(0), median(1), median(2)];
  const all = (stepMs: number) => promptTokens * promptMs + tokens * stepMs;
  return { promptMs, aloneMs, togetherMs, promptTokens, tokens, bound: all(aloneMs) / all(togetherMs) };
}

async function timed(work: () => Promise<unknown>, count: number): Promise<number> {
  const began = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(began);
  return (user + system) / 1000 / count;
}
