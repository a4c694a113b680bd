/**
 * A clock on which every pause is over at once, and written down. Those that guard against silence never end.
 */
import { AbortError } from "../../src/errors.ts";
import type { Clock } from "../../src/sources/clock.ts";
import { SILENCE_MS } from "../../src/sources/http-client.ts";

export class MemoryClock implements Clock {
  readonly pauses: number[] = [];
  ms = 0;
  /** Silence ends by itself when this is set. */
  impatient = false;

  now(): number {
    return this.ms;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.reject(new AbortError("waiting: aborted"));
    if (ms === SILENCE_MS && !this.impatient) {
      return new Promise((_, reject) => {
        signal?.addEventListener("abort", () => reject(new AbortError("waiting: aborted")), { once: true });
      });
    }
    if (ms === SILENCE_MS) return new Promise((resolve) => setTimeout(resolve, 50));
    this.pauses.push(ms);
    this.ms += ms;
    return Promise.resolve();
  }
}
