/** The threads that share the work of kernels, over one memory or several, from their start to their end. */
import { unlessAborted } from "../../errors.ts";
import type { WorkOptions } from "../../host/work.ts";
import type { SplitKernel } from "../kernel-table.ts";
import type { StartingPool, ThreadPool } from "./thread-pool.ts";

/** Ends the threads of kernels that nobody can reach any more and that were not disposed. */
const abandoned =
  typeof FinalizationRegistry === "function"
    ? new FinalizationRegistry<ThreadPool>((pool) => void pool.end().catch(() => {}))
    : undefined;

export class KernelThreads {
  #starting: StartingPool | undefined;
  readonly #started: Promise<string | undefined>;
  #pool: ThreadPool | undefined;
  /** Threads that share the work, if there are as many. */
  #used = Infinity;
  #ending: Promise<void> | undefined;

  /** @param starting a pool, or none: then the calling thread is alone */
  constructor(starting?: StartingPool) {
    this.#starting = starting;
    this.#started = this.#join(starting);
    this.#started.catch(() => {}); // told by `started`
  }

  /** As `Kernels.threadsStarted`. */
  async started({ signal, onWarning }: Pick<WorkOptions, "signal" | "onWarning">): Promise<string | undefined> {
    const shortfall = await unlessAborted(this.#started, signal, "starting threads");
    if (shortfall !== undefined) onWarning?.(`threads: ${this.count} used, others did not start: ${shortfall}`);
    return shortfall;
  }

  async #join(starting: StartingPool | undefined): Promise<string | undefined> {
    if (!starting) return undefined;
    const { pool, shortfall } = await starting.started;
    this.#pool = pool;
    // The pool knows nothing of this object, so that it does not keep it alive.
    if (pool) abandoned?.register(this, pool, this);
    return shortfall;
  }

  /** How many there are, the calling one included. */
  get count(): number {
    return this.#pool ? this.#pool.threads : 1;
  }

  /** Shares the work that follows among so many; the others sleep. */
  use(count: number): void {
    this.#used = count;
  }

  /** Milliseconds the calling thread has slept so far, waiting for others. */
  get sleptMs(): number {
    return this.#pool ? this.#pool.sleptMs : 0;
  }

  /** Shares a kernel call in memory number `place`; says whether there are threads to share it with. */
  share(place: number, name: SplitKernel, units: number, work: readonly number[]): boolean {
    const threads = Math.min(this.#used, this.count);
    if (!this.#pool || units <= 1 || threads <= 1) return false;
    this.#pool.run(place, name, units, work, threads);
    return true;
  }

  /** Resolves when the threads are gone; the calling one is alone then. */
  end(): Promise<void> {
    return (this.#ending ??= this.#end());
  }

  async #end(): Promise<void> {
    this.#starting?.stop();
    await this.#started.catch(() => {});
    const pool = this.#pool;
    abandoned?.unregister(this);
    this.#pool = this.#starting = undefined;
    await pool?.end();
  }
}
