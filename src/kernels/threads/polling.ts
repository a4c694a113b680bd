/**
 * For how long threads poll for each other before they sleep.
 *
 * Polling answers within a tenth of a microsecond where sleeping takes fifty. But it takes a core, and where
 * there are more programs than cores it takes the very core the other thread waits for, and the scheduler
 * charges the thread for it. So nobody polls for a while after a thread was waited for in vain.
 */

export const MOST_POLL = 100;
/** Half of the most; llama.cpp's default too. */
export const DEFAULT_POLL = 50;
/**
 * About 100 us: longer than the gap between two kernels, or between two tokens of greedy decoding.
 */
const DEFAULT_SPINS = 20_000;
/**
 * A sleep that was not due to shares of unequal size: those of a prompt differ by less, and a thread that is
 * off its core stays away for a slice of the scheduler's, 1 to 4 ms and more.
 */
const STALL_MS = 1;
/** Jobs in which nobody polls after a stall: about a token of a small model. */
const CALM_JOBS = 256;

export class Polling {
  readonly #budget: number;
  #calm = 0;

  /** @param poll 0: never, to 100: twice as long as by default */
  constructor(poll: number = DEFAULT_POLL) {
    this.#budget = Math.round((DEFAULT_SPINS * poll) / DEFAULT_POLL);
  }

  /** Looks at a word before sleeping, in the next job. */
  get spins(): number {
    return this.#calm > 0 ? 0 : this.#budget;
  }

  /** @param sleptMs milliseconds the calling thread slept at the end of a job, 0 if it did not */
  joined(sleptMs: number): void {
    if (sleptMs >= STALL_MS && this.#calm === 0) this.#calm = CALM_JOBS;
    else if (this.#calm > 0) this.#calm--;
  }
}
