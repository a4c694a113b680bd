/**
 * What long work is given, whatever it is: where it runs, how many threads it may use, how it is stopped, and
 * who is told of what.
 */
import type { OnProgress } from "../progress.ts";
import type { Host } from "./host.ts";

/** How long work is run, stopped and told of. */
export interface WorkOptions {
  /** Threads for the kernels; by default one per physical core where memory can be shared, else 1. */
  readonly threads?: number | undefined;
  /** Ends the work with an `AbortError`. */
  readonly signal?: AbortSignal | undefined;
  /** Told of at most 20 steps a second; of the first and the last of each phase always. */
  readonly onProgress?: OnProgress | undefined;
  /** Told what may surprise: fewer threads than asked for, and why; parts of a model that are not used. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

export interface Work extends WorkOptions {
  readonly host: Host;
}
