/**
 * Who is answered now and who waits: so many answers at a time, in order of arrival. What runs together goes
 * through the model together (`src/model/sequences/scheduler.ts`).
 */
import { ApiError, RETRY_SOON } from "./api-error.ts";

/** A place in the line. Whoever has it must `leave`, whatever happens. */
export interface Place {
  /**
   * Resolves when it is this one's turn.
   * @throws the signal's reason if it is aborted before
   */
  turn(signal: AbortSignal): Promise<void>;
  leave(): void;
}

export class Admission {
  readonly #atATime: number;
  readonly #mostWaiting: number;
  /** In order of arrival; the first `#atATime` have their turn. */
  readonly #places: { call(): void; called: boolean }[] = [];

  constructor(atATime: number, mostWaiting: number) {
    this.#atATime = atATime;
    this.#mostWaiting = mostWaiting;
  }

  get running(): number {
    return Math.min(this.#places.length, this.#atATime);
  }

  get waiting(): number {
    return this.#places.length - this.running;
  }

  /** @throws ApiError 429 if too many wait */
  enter(): Place {
    if (this.#places.length >= this.#atATime + this.#mostWaiting) {
      const message = `queue: got ${this.waiting} requests that wait, need fewer than ${this.#mostWaiting}; try again later`;
      throw new ApiError(429, message, { code: "overloaded", headers: RETRY_SOON });
    }
    let call = () => {};
    const called = new Promise<void>((resolve) => (call = resolve));
    const place = { call, called: false };
    this.#places.push(place);
    this.#callFirst();
    return {
      turn: (signal) => untilAborted(called, signal),
      leave: () => {
        const at = this.#places.indexOf(place);
        if (at >= 0) this.#places.splice(at, 1);
        this.#callFirst();
      },
    };
  }

  #callFirst(): void {
    for (const place of this.#places.slice(0, this.#atATime)) {
      if (!place.called) place.call();
      place.called = true;
    }
  }
}

function untilAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason as Error);
    if (signal.aborted) return abort();
    signal.addEventListener("abort", abort, { once: true });
    void work.then(() => {
      signal.removeEventListener("abort", abort);
      resolve();
    });
  });
}
