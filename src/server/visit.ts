/** One request's stay at the server: its place in the line, and what ends its work before it is done. */
import type { Context } from "hono";
import type { Admission, Place } from "./admission.ts";
import { ApiError } from "./api-error.ts";
import type { Metrics } from "./metrics.ts";
import type { Shutdown } from "./shutdown.ts";

/** What every request that goes through the model needs of its server. */
export interface Receiving {
  readonly admission: Admission;
  readonly metrics: Metrics;
  readonly shutdown: Shutdown;
  readonly waitUntil: (work: Promise<unknown>) => void;
  /** Names whoever asks, for turns to be fair. */
  readonly clientOf: (c: Context) => string;
}

export class Visit {
  readonly #server: Receiving;
  readonly #place: Place;
  readonly #request: AbortSignal;
  readonly #client = new AbortController();
  readonly #over = new AbortController();
  readonly #timer: ReturnType<typeof setTimeout> | undefined;
  /** Says that it is over, to the server that may be ending. */
  readonly #answered: () => void;
  readonly #arrived = performance.now();
  /** Says that the client is gone. */
  readonly gone = (): void => this.#client.abort();

  /**
   * @param deadline seconds after which its work ends; undefined for as long as it takes
   * @throws ApiError 429 if too many wait
   */
  constructor(c: Context, server: Receiving, deadline?: number) {
    this.#server = server;
    this.#place = server.admission.enter(server.clientOf(c));
    this.#timer = deadline === undefined ? undefined : setTimeout(() => this.#over.abort(), 1000 * deadline);
    this.#request = c.req.raw.signal;
    this.#request.addEventListener("abort", this.gone);
    if (this.#request.aborted) this.gone();
    this.#answered = server.shutdown.answering(() => this.#client.abort(server.shutdown.error()));
  }

  /** Aborted when the client is gone. */
  get client(): AbortSignal {
    return this.#client.signal;
  }

  /** Aborted when the client is gone or its time is over. */
  get signal(): AbortSignal {
    return AbortSignal.any([this.#client.signal, this.#over.signal]);
  }

  /**
   * Does the work when it is this one's turn; then its place is another's. Call it once, whatever happens.
   * @throws ApiError 408 where its time is over before; what the work throws
   */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    const working = this.#work(work);
    this.#server.waitUntil(working.catch(() => {}));
    return working;
  }

  async #work<T>(work: () => Promise<T>): Promise<T> {
    const { metrics } = this.#server;
    try {
      await this.#turn();
      metrics.queueSeconds.observe(this.#seconds());
      return await work();
    } catch (error) {
      const { reason } = this.client as { reason: unknown };
      throw reason instanceof ApiError ? reason : error;
    } finally {
      clearTimeout(this.#timer);
      this.#request.removeEventListener("abort", this.gone);
      this.#answered();
      this.#place.leave();
      metrics.requestSeconds.observe(this.#seconds());
    }
  }

  async #turn(): Promise<void> {
    try {
      await this.#place.turn(this.signal);
    } catch (error) {
      if (!this.#over.signal.aborted) throw error;
      throw new ApiError(408, "deadline: was over before it was this request's turn", { code: "deadline_exceeded" });
    }
  }

  #seconds(): number {
    return (performance.now() - this.#arrived) / 1000;
  }
}
