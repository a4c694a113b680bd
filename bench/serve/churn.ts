/**
 * Clients that are slow or leave in the middle, beside others that do not: whoever stays to the end has the
 * answer the model gives alone.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { mulberry32 } from "../../test/random.ts";
import { ask, type CompletionRequest, TurnedAwayError } from "./ask.ts";

/** An answer that takes longer than that is stuck. */
const PATIENCE_MS = 180_000;
/** How often the memory is looked at. */
const MEMORY_MS = 10_000;

export interface ChurnFigures {
  readonly clients: number;
  readonly seconds: number;
  readonly finished: number;
  /** Finished answers that are not what the model says alone. */
  readonly different: number;
  /** Ended by the client in the middle. */
  readonly left: number;
  /** Told to come back later. */
  readonly turnedAway: number;
  /** Ended by the server without an answer. */
  readonly lost: readonly string[];
  readonly stuck: number;
  /** Resident bytes of the server, every ten seconds. */
  readonly memory: readonly number[];
}

interface Churn {
  readonly requests: readonly CompletionRequest[];
  /** What the model says to each of them alone. */
  readonly expected: readonly string[];
  readonly clients: number;
  readonly seconds: number;
  readonly rss: () => number;
}

type Manner = "prompt" | "slow" | "leaving";

export async function measureChurn(origin: string, { requests, expected, clients, seconds, rss }: Churn): Promise<ChurnFigures> {
  let [finished, different, left, turnedAway, stuck] = [0, 0, 0, 0, 0];
  const lost: string[] = [];
  const memory: number[] = [];
  const end = performance.now() + 1000 * seconds;
  const watching = setInterval(() => memory.push(rss()), MEMORY_MS);

  const one = async (i: number, manner: Manner, random: () => number) => {
    const leaving = new AbortController();
    const patience = AbortSignal.timeout(PATIENCE_MS);
    const stays = manner === "leaving" ? Math.floor(random() * requests[i]!.max_tokens) : Infinity;
    let pieces = 0;
    const read = async () => {
      if (++pieces > stays) leaving.abort();
      if (manner === "slow") await sleep(random() * 200);
    };
    // Some leave before they have read anything.
    if (stays === 0) setTimeout(() => leaving.abort(), random() * 500);
    try {
      const { text, finishReason } = await ask(origin, requests[i]!, {
        signal: AbortSignal.any([leaving.signal, patience]),
        read,
      });
      if (finishReason === undefined) lost.push("no reason at its end");
      else finished++;
      if (finishReason !== undefined && text !== expected[i]) different++;
    } catch (error) {
      if (leaving.signal.aborted) left++;
      else if (patience.aborted) stuck++;
      else if (error instanceof TurnedAwayError) turnedAway++;
      else lost.push(String(error));
    }
  };

  await Promise.all(
    Array.from({ length: clients }, async (_, client) => {
      const random = mulberry32(client);
      while (performance.now() < end) {
        const manner = random() < 0.25 ? "leaving" : random() < 0.25 ? "slow" : "prompt";
        await one(Math.floor(random() * requests.length), manner, random);
      }
    }),
  );
  clearInterval(watching);
  return { clients, seconds, finished, different, left, turnedAway, lost, stuck, memory };
}
