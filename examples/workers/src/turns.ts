/** One generation at a time, in the order of arrival: a model has one KV cache. */

export class QueueFullError extends Error {
  override readonly name = "QueueFullError";
}

/** A place in the queue. Whoever has it must `leave`, whatever happens. */
export interface Place {
  /**
   * Resolves when every earlier place has been left.
   * @throws the signal's reason if it is aborted before
   */
  turn(signal: AbortSignal): Promise<void>;
  leave(): void;
}

export class Turns {
  readonly #mostWaiting: number;
  /** In order of arrival; the first one has its turn. */
  readonly #places: { call(): void }[] = [];

  /** @param mostWaiting places besides the one whose turn it is */
  constructor(mostWaiting: number) {
    this.#mostWaiting = mostWaiting;
  }

  /** Places, the one whose turn it is included. */
  get taken(): number {
    return this.#places.length;
  }

  /** @throws QueueFullError */
  enter(): Place {
    if (this.#places.length > this.#mostWaiting) throw new QueueFullError(`${this.#places.length} requests are in the queue`);
    const { promise: called, resolve: call } = Promise.withResolvers<void>();
    const place = { call };
    this.#places.push(place);
    if (this.#places.length === 1) call();
    return {
      turn: (signal) => {
        const { promise: aborted, reject } = Promise.withResolvers<never>();
        const abort = () => reject(signal.reason);
        signal.addEventListener("abort", abort, { once: true });
        if (signal.aborted) abort();
        return Promise.race([called, aborted]).finally(() => signal.removeEventListener("abort", abort));
      },
      leave: () => {
        const at = this.#places.indexOf(place);
        if (at < 0) return;
        this.#places.splice(at, 1);
        if (at === 0) this.#places[0]?.call();
      },
    };
  }
}
