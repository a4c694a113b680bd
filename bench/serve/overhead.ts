/**
 * What the server costs beside the library: the same text by both in turn, of one model in one process. The
 * client is a thread of its own, so that its work is not the server's.
 */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import type { LanguageModel } from "../../src/index.ts";
import { quantile } from "../../src/evaluation/statistics.ts";
import { listen } from "../../src/host/node/node-http-server.ts";
import { createServer } from "../../src/server.ts";
import type { Answer, CompletionRequest } from "./ask.ts";

/** Milliseconds a token, medians; and what the server takes more, as a part of the library's time. */
export interface Beside {
  readonly libraryMs: number;
  readonly serverMs: number;
  readonly share: { readonly p25: number; readonly p50: number; readonly p75: number };
}

export interface OverheadFigures {
  readonly rounds: number;
  readonly tokens: number;
  /** From the first token of the text to the last. */
  readonly clock: Beside;
  /** The thread that generates and serves, from the request to the end; undefined off Linux. */
  readonly processor: Beside | undefined;
}

interface Run {
  readonly text: string;
  readonly clockMs: number;
  readonly processorMs: number;
}

/** @throws Error where the two texts are not the same */
export async function measureOverhead(
  model: LanguageModel,
  request: CompletionRequest,
  rounds: number,
): Promise<OverheadFigures> {
  const { port, untilEnded } = await listen(createServer(model), { hostname: "127.0.0.1", port: 0 });
  // Node 20 takes no loader from a worker's options: the worker registers it.
  const file = JSON.stringify(new URL("asking-thread.ts", import.meta.url).href);
  const source = `import("tsx/esm/api").then(({ register }) => { register(); return import(${file}); })`;
  const client = new Worker(source, { eval: true });
  const end = new AbortController();
  const ended = untilEnded(end.signal, 0);
  const overHttp = async () => {
    client.postMessage({ origin: `http://127.0.0.1:${port}`, request });
    const [{ text, gapsMs }] = (await once(client, "message")) as [Answer];
    return { text, clockMs: gapsMs.reduce((a, b) => a + b, 0) };
  };
  try {
    const ways = [() => byLibrary(model, request), overHttp] as const;
    const pairs: (readonly [Run, Run])[] = [];
    for (let round = -1; round < rounds; round++) {
      // Who is first changes from round to round; the round before the first compiles.
      const isSwapped = round % 2 !== 0;
      const [one, other] = [await timed(ways[isSwapped ? 1 : 0]), await timed(ways[isSwapped ? 0 : 1])];
      const pair = isSwapped ? ([other, one] as const) : ([one, other] as const);
      const [{ text: said }, { text: served }] = pair;
      if (served !== said) throw new Error(`the server said ${JSON.stringify(served)}, the library ${JSON.stringify(said)}`);
      if (round >= 0) pairs.push(pair);
    }
    const { max_tokens: tokens } = request;
    const beside = (of: (run: Run) => number, count: number) => besideOf(pairs.map(([a, b]) => [of(a), of(b)]), count); // prettier-ignore
    const hasProcessor = processorMs() > 0;
    return {
      rounds,
      tokens,
      clock: beside(({ clockMs }) => clockMs, tokens - 1),
      processor: hasProcessor ? beside(({ processorMs: ms }) => ms, tokens) : undefined,
    };
  } finally {
    await client.terminate();
    end.abort();
    await ended;
  }
}

async function byLibrary(model: LanguageModel, request: CompletionRequest): Promise<Omit<Run, "processorMs">> {
  const { prompt, max_tokens: maxTokens, seed, temperature } = request;
  let [first, last, text]: [number | undefined, number, string] = [undefined, 0, ""];
  for await (const piece of model.generate(prompt, { maxTokens, seed, temperature, ignoreEos: true })) {
    last = performance.now();
    first ??= last;
    text += piece;
  }
  return { text, clockMs: last - (first ?? last) };
}

async function timed(run: () => Promise<Omit<Run, "processorMs">>): Promise<Run> {
  const began = processorMs();
  const done = await run();
  return { ...done, processorMs: processorMs() - began };
}

/** Processor time of this thread so far, as Linux has it; 0 elsewhere. */
function processorMs(): number {
  try {
    return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, "utf8").split(" ")[0]) / 1e6;
  } catch {
    return 0;
  }
}

function besideOf(pairs: readonly (readonly [library: number, server: number])[], tokens: number): Beside {
  const at = (values: readonly number[], fraction: number) => quantile(values.toSorted((a, b) => a - b), fraction); // prettier-ignore
  const shares = pairs.map(([library, server]) => server / library - 1);
  const [libraryMs, serverMs] = [0, 1].map((way) => at(pairs.map((pair) => pair[way]!), 0.5) / tokens) as [number, number]; // prettier-ignore
  return { libraryMs, serverMs, share: { p25: at(shares, 0.25), p50: at(shares, 0.5), p75: at(shares, 0.75) } };
}
