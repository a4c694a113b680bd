/**
 * Lets the event loop run now and then during long synchronous work, so that timers fire and an abort can be
 * seen.
 */
import type { Host } from "../host/host.ts";

/** Longest time without letting events run, in milliseconds: a frame of a page at 120 Hz. */
const INTERVAL_MS = 8;

/**
 * Most work without letting events run, in multiply-accumulates: 10 to 30 ms of one thread at the speeds in
 * docs/kernels.md. It decides where the clock does not: deployed Workers stop `performance.now()` between I/O
 * (Cloudflare Workers, "Performance and timers").
 */
export const INTERVAL_WORK = 2 ** 30;

export class EventLoopPacer {
  readonly #host: Host;
  #last = performance.now();
  #work = 0;

  constructor(host: Host) {
    this.#host = host;
  }

  /** @param multiplyAccumulates done since the last call */
  count(multiplyAccumulates: number): void {
    this.#work += multiplyAccumulates;
  }

  /** Whether it is time to await `letEventsRun`; apart from it so that the common case awaits nothing. */
  due(): boolean {
    return this.#work >= INTERVAL_WORK || performance.now() - this.#last >= INTERVAL_MS;
  }

  async letEventsRun(): Promise<void> {
    await this.#host.yieldToEvents();
    this.#last = performance.now();
    this.#work = 0;
  }
}
