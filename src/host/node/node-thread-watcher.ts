/**
 * The thread that starts kernel workers and sees them die.
 *
 * A thread's death is announced as an event to the thread that started it. The thread that computes sleeps in
 * `Atomics.wait` until its workers are done, so it would never see that event: one dead worker and it sleeps
 * for ever. This thread is their parent in its place. It does nothing else, so its event loop is always free:
 * it notes a death on the job board, in shared memory, where the sleeper looks (`ThreadPool.join`). No
 * deadline has to be guessed, however long a job takes.
 */
import { parentPort, Worker } from "node:worker_threads";
import { markDead } from "../../kernels/job-board.ts";
import type { WatcherOrder, WatcherReport } from "./node-threads.ts";

const workers = new Map<number, Worker>();
const report = (message: WatcherReport) => parentPort!.postMessage(message);

parentPort!.on("message", (order: WatcherOrder) => {
  if (order.kind === "start") start(order);
  else void end(order.id);
});

function start({ id, file, start: workerData }: Extract<WatcherOrder, { kind: "start" }>): void {
  const worker = new Worker(new URL(file), { workerData });
  workers.set(id, worker);
  const died = (reason: string) => {
    if (!workers.delete(id)) return; // told to end, or already reported
    markDead(workerData);
    report({ id, kind: "died", reason });
  };
  worker.once("message", () => report({ id, kind: "ready" }));
  worker.once("error", (error: unknown) => died(error instanceof Error ? error.message : String(error)));
  worker.once("exit", (code) => died(`it exited with code ${code}`));
}

async function end(id: number): Promise<void> {
  const worker = workers.get(id);
  workers.delete(id);
  await worker?.terminate();
  report({ id, kind: "ended" });
}
