/** Kernel workers in a page: Web Workers over shared memory. */
import { CapabilityError } from "../../errors.ts";
import type { WorkerStart } from "../../kernels/threads/job-board.ts";
import type { ThreadOrder } from "./browser-worker.ts";
import type { WorkerHandle } from "../host.ts";

/**
 * A page hears of a worker's death through its event loop, which does not run while a computing thread
 * sleeps. Nothing outside a worker ends it but `end`, and the worker itself notes an uncaught error on the
 * job board (`browser-worker.ts`), so nothing has to be heard meanwhile. One that the page's own code ends is
 * noticed by its silence (`ThreadPool`).
 *
 * @param createWorker starts `fptq/worker` on a thread of its own
 * @param chosen whether the caller said how; what cannot be started then is the caller's to know
 * @returns what a runtime has as `spawnWorker`
 */
export function browserThreads(createWorker: () => Worker, chosen: boolean): (start: WorkerStart) => WorkerHandle {
  const Failure = chosen ? CapabilityError : Error;
  return (start) => {
    const failed = (reason: string, cause?: unknown) => new Failure(`worker ${start.thread}: ${reason}`, { cause });
    const lock = `fptq-${crypto.randomUUID()}`;
    let worker: Worker | undefined;
    let resolveDied!: (error: Error) => void;
    const died = new Promise<Error>((resolve) => (resolveDied = resolve));
    const ready = new Promise<void>((resolve, reject) => {
      try {
        worker = createWorker();
        worker.addEventListener("message", () => resolve(), { once: true });
        worker.addEventListener("error", (event) => {
          event.preventDefault();
          // A script that cannot be loaded, and only that, is an event without a message.
          const error = failed(
            event.message || "its script could not be loaded; serve fptq/worker, or pass its URL as { worker }",
          );
          reject(error);
          resolveDied(error);
        });
        worker.addEventListener("messageerror", () => reject(failed("it sent what cannot be read")));
        worker.postMessage({ start, lock } satisfies ThreadOrder);
      } catch (cause) {
        reject(failed(cause instanceof Error ? cause.message : String(cause), cause));
      }
    });
    return {
      ready,
      onDeath: (handler) => void died.then(handler),
      end: async () => {
        worker?.terminate();
        // Granted when the thread, which holds it, is gone.
        await navigator.locks.request(lock, () => {}).catch(() => {});
      },
    };
  };
}
