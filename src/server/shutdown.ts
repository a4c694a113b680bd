/** The end of a server: nobody new is let in, what is being answered may end, or is cut off and told. */
import { ApiError, RETRY_SOON } from "./api-error.ts";

export interface ShutdownOptions {
  /** Begins the end. */
  readonly signal: AbortSignal;
  /** Cuts off what is still being answered then. */
  readonly cut: AbortSignal;
}

export class Shutdown {
  readonly #signal: AbortSignal | undefined;
  readonly #answering = new Set<() => void>();

  constructor(options: ShutdownOptions | undefined) {
    this.#signal = options?.signal;
    options?.cut.addEventListener("abort", () => {
      for (const cut of this.#answering) cut();
    });
  }

  /**
   * Says what ends an answer that is cut off.
   * @returns what says that it has ended
   */
  answering(cut: () => void): () => void {
    this.#answering.add(cut);
    return () => this.#answering.delete(cut);
  }

  /** Whether it is ending: balancers ask `/health` and send nobody here any more. */
  get ending(): boolean {
    return this.#signal?.aborted ?? false;
  }

  error(): ApiError {
    return new ApiError(503, "server: is shutting down; try again", { code: "shutting_down", headers: RETRY_SOON });
  }
}
