/**
 * The thread that starts kernel workers and sees them die.
 *
 * A thread's death is announced as an event to the thread that started it. The thread that computes sleeps in
 * `Atomics.wait` until its workers are done, so it would never see that event: one dead worker and it sleeps
 * for ever. This thread is their parent in its place. It does nothing else, so its event loop is always free:
 * it notes a death on the job board, in shared memory, where the sleeper looks (`ThreadPool`), and answers
 * there when the sleeper asks whether it lives itself. No deadline has to be guessed, however long a job
 * takes.
 */
import { parentPort, Worker } from "node:worker_threads";
import { answer, markDead, type WorkerStart } from "../../kernels/threads/job-board.ts";
import type { WatcherOrder, WatcherReport } from "./node-threads.ts";

const workers = new Map<number, { readonly worker: Worker; readonly start: WorkerStart }>();
const report = (message: WatcherReport) => parentPort!.postMessage(message);

parentPort!.on("message", (order: WatcherOrder) => {
  if (order.kind === "start") start(order);
  else if (order.kind === "ask") tell(order.id);
  else void end(order.id);
});

function start({ id, file, start: workerData }: Extract<WatcherOrder, { kind: "start" }>): void {
  const died = (reason: string) => {
    markDead(workerData);
    report({ id, kind: "died", reason });
  };
  // An error in here would end this thread, and with it the workers of every model.
  try {
    const worker = new Worker(new URL(file), { workerData });
    workers.set(id, { worker, start: workerData });
    // Not one that was told to end, nor one whose death was reported.
    const diedAlone = (reason: string) => workers.delete(id) && died(reason);
    worker.once("message", () => report({ id, kind: "ready" }));
    worker.once("error", (error: unknown) => diedAlone(messageOf(error)));
    worker.once("exit", (code) => diedAlone(`it exited with code ${code}`));
  } catch (error) {
    died(messageOf(error));
  }
}

/** One that is not there any more has been noted as dead. */
function tell(id: number): void {
  const known = workers.get(id);
  if (known) answer(known.start);
}

async function end(id: number): Promise<void> {
  const known = workers.get(id);
  workers.delete(id);
  await known?.worker.terminate();
  report({ id, kind: "ended" });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
