/** A kernel thread in a page. */
import { markDead, type WorkerStart } from "../../kernels/threads/job-board.ts";
import { runKernelWorker } from "../../kernels/threads/kernel-worker.ts";

/** The message to the thread. */
export interface ThreadOrder {
  readonly start: WorkerStart;
  /**
   * Name of a lock (Web Locks) that the thread holds for as long as it lives: nothing else tells a page that
   * one is gone.
   */
  readonly lock: string;
}

/** Computes until the pool ends, then waits to be terminated. */
export function runBrowserWorker({ start, lock }: ThreadOrder): void {
  const live = (): Promise<never> => {
    try {
      runKernelWorker(start, () => postMessage("ready"));
    } catch (error) {
      // Whoever waits for this thread may be asleep and hear nothing else.
      markDead(start);
      reportError(error);
    }
    return new Promise(() => {});
  };
  // Refused in documents without an origin; the thread is then believed to be gone when it was told to be.
  navigator.locks.request(lock, live).catch(live);
}
