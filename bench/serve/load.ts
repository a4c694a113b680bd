/** So many clients at a time, each with one request after another. */
import { quantile } from "../../src/evaluation/statistics.ts";
import { type Answer, ask, type CompletionRequest } from "./ask.ts";

/** Milliseconds. */
export interface Percentiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

export interface LoadFigures {
  readonly clients: number;
  /** Requests that are answered at a time. */
  readonly parallel: number;
  readonly requests: number;
  readonly promptTokens: number;
  readonly tokens: number;
  readonly seconds: number;
  readonly firstToken: Percentiles;
  readonly betweenTokens: Percentiles;
  readonly whole: Percentiles;
}

/** @throws what a request does: under load none may fail */
export async function measureLoad(
  origin: string,
  requests: readonly CompletionRequest[],
  { clients, parallel }: { readonly clients: number; readonly parallel: number },
): Promise<LoadFigures> {
  const answers: Answer[] = [];
  const waiting = requests.values();
  const began = performance.now();
  await Promise.all(
    Array.from({ length: clients }, async () => {
      for (const request of waiting) answers.push(await ask(origin, request));
    }),
  );
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
  return {
    clients,
    parallel,
    requests: answers.length,
    promptTokens: sum(requests.map(({ prompt }) => prompt.length)),
    tokens: sum(answers.map(({ tokens }) => tokens)),
    seconds: (performance.now() - began) / 1000,
    firstToken: percentilesOf(answers.map(({ firstMs }) => firstMs)),
    betweenTokens: percentilesOf(answers.flatMap(({ gapsMs }) => gapsMs)),
    whole: percentilesOf(answers.map(({ wholeMs }) => wholeMs)),
  };
}

export function percentilesOf(samples: readonly number[]): Percentiles {
  const sorted = samples.toSorted((a, b) => a - b);
  const at = (fraction: number) => (sorted.length === 0 ? 0 : quantile(sorted, fraction));
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}
