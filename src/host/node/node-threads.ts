/**
 * Kernel workers on Node, Deno and Bun: `worker_threads`, below one watching thread that all models share.
 */
import { Worker } from "node:worker_threads";
import { markDead, type WorkerStart } from "../../kernels/threads/job-board.ts";
import type { WorkerHandle } from "../host.ts";

/** Longest time to wait until a worker has ended; it takes milliseconds. */
const END_LIMIT_MS = 10_000;

/** A message to the watching thread. */
export type WatcherOrder =
  | { readonly kind: "start"; readonly id: number; readonly file: string; readonly start: WorkerStart }
  | { readonly kind: "ask" | "end"; readonly id: number };

/** A message from the watching thread. */
export type WatcherReport =
  | { readonly id: number; readonly kind: "ready" | "ended" }
  | { readonly id: number; readonly kind: "died"; readonly reason: string };

/**
 * @param watcherFile `node-thread-watcher.js`
 * @param workerFile what each worker runs, with a `WorkerStart` as its `workerData`; posts a message when it
 *   is ready
 * @returns what a runtime has as `spawnWorker`. The watching thread exists from the first worker to the end
 *   of the last.
 */
export function kernelThreads(watcherFile: URL, workerFile: URL): (start: WorkerStart) => WorkerHandle {
  let watcher: Watcher | undefined;
  return (start) => {
    watcher ??= new Watcher(watcherFile, (gone) => {
      // One that ends may be told of after another one has taken its place.
      if (watcher === gone) watcher = undefined;
    });
    return watcher.spawn(workerFile, start);
  };
}

class Watcher {
  readonly #thread: Worker;
  readonly #onUnused: (watcher: Watcher) => void;
  readonly #reports = new Map<number, (report: WatcherReport) => void>();
  #ids = 0;
  #holds = 0;
  /** Resolves when the watching thread is gone; undefined while somebody needs it. */
  #gone: Promise<unknown> | undefined;

  /**
   * @param onUnused called when the last worker has ended, or the watching thread itself; this watcher must
   *   not be used again then
   */
  constructor(file: URL, onUnused: (watcher: Watcher) => void) {
    this.#onUnused = onUnused;
    this.#thread = new Worker(file);
    this.#thread.on("message", (report: WatcherReport) => this.#reports.get(report.id)?.(report));
    this.#thread.once("error", (error: Error) => this.#lost(error.message));
    this.#thread.once("exit", () => this.#lost("its watching thread ended"));
    this.#thread.unref();
  }

  spawn(file: URL, start: WorkerStart): WorkerHandle {
    const id = ++this.#ids;
    let resolveDied!: (error: Error) => void;
    let resolveEnded!: () => void;
    const died = new Promise<Error>((resolve) => (resolveDied = resolve));
    const ended = new Promise<void>((resolve) => (resolveEnded = resolve));
    const ready = new Promise<void>((resolve, reject) => {
      this.#reports.set(id, (report) => {
        if (report.kind === "ready") return resolve();
        const error = new Error(`worker ${start.thread}: ${report.kind === "died" ? report.reason : "it was ended"}`);
        reject(error);
        if (report.kind === "died") {
          markDead(start); // the watching thread may have died before it could
          resolveDied(error);
        }
        resolveEnded();
        this.#forget(id);
      });
    });
    this.#order({ kind: "start", id, file: file.href, start });
    this.#holdProcessUntil(ready);
    return {
      ready,
      onDeath: (handler) => void died.then(handler),
      ask: () => this.#order({ kind: "ask", id }),
      end: async () => {
        if (this.#reports.has(id)) {
          this.#holdProcessUntil(ended);
          this.#order({ kind: "end", id });
          // A watching thread that does not listen ends with its workers.
          const timer = setTimeout(() => void this.#thread.terminate(), END_LIMIT_MS);
          await ended;
          clearTimeout(timer);
        }
        await this.#gone;
      },
    };
  }

  #order(order: WatcherOrder): void {
    this.#thread.postMessage(order);
  }

  /** A pool that was not disposed must not keep the process alive; one that starts or ends must. */
  #holdProcessUntil(done: Promise<unknown>): void {
    if (++this.#holds === 1) this.#thread.ref();
    const release = () => {
      if (--this.#holds === 0) this.#thread.unref();
    };
    done.then(release, release);
  }

  #forget(id: number): void {
    this.#reports.delete(id);
    if (this.#reports.size > 0 || this.#gone) return;
    this.#onUnused(this);
    this.#gone = this.#thread.terminate();
    this.#holdProcessUntil(this.#gone);
  }

  #lost(reason: string): void {
    this.#onUnused(this);
    // Each one told leaves the map, which a map's own iterator allows.
    for (const [id, tell] of this.#reports) tell({ id, kind: "died", reason });
  }
}
