/** Time, as downloads see it: tests bring a clock of their own. */
import { AbortError } from "../errors.ts";

export interface Clock {
  /** Milliseconds of a steady clock. */
  now(): number;
  /** @throws AbortError as soon as the signal is aborted */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      const abort = () => {
        clearTimeout(timer);
        reject(new AbortError("waiting: aborted", { cause: signal?.reason }));
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener("abort", abort);
        resolve();
      }, ms);
      if (signal?.aborted) abort();
      else signal?.addEventListener("abort", abort, { once: true });
    }),
};

/**
 * Waits for what a promise gives, unless `limitMs` pass or the signal is aborted first. The promise itself
 * goes on; whoever made it ends it.
 *
 * @throws AbortError; what `late` makes when the time is over
 */
export async function within<T>(promise: Promise<T>, { clock, limitMs, late, signal, work }: Deadline): Promise<T> {
  const timer = new AbortController();
  const abort = () => timer.abort(signal?.reason);
  if (signal?.aborted) abort();
  else signal?.addEventListener("abort", abort, { once: true });
  const timeout = clock.sleep(limitMs, timer.signal).then(
    () => Promise.reject(late()),
    () => Promise.reject(new AbortError(`${work}: aborted`, { cause: signal?.reason })),
  );
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    signal?.removeEventListener("abort", abort);
    timer.abort();
    timeout.catch(() => {}); // it has lost the race, and nobody waits for it any more
    promise.catch(() => {});
  }
}

export interface Deadline {
  readonly clock: Clock;
  readonly limitMs: number;
  readonly late: () => Error;
  readonly signal: AbortSignal | undefined;
  /** The work an abort interrupts, for the message. */
  readonly work: string;
}
