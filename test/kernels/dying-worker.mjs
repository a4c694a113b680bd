/** A kernel worker of which the first one dies, when `workerData.death` says. */
import { parentPort, workerData } from "node:worker_threads";
import { BOARD, BOARD_ARGUMENTS_OFFSET } from "../../src/kernels/job-board.ts";
import { runKernelWorker } from "../../src/kernels/kernel-worker.ts";

const ready = () => parentPort.postMessage("ready");
if (workerData.thread > 1) {
  runKernelWorker(workerData, ready);
} else if (workerData.death === "at start") {
  throw new Error("no thread today");
} else if (workerData.death === "between jobs") {
  ready();
  setTimeout(() => process.exit(4), 1);
} else {
  ready();
  const board = new Int32Array(workerData.memory.buffer, workerData.board, BOARD_ARGUMENTS_OFFSET / 4);
  Atomics.add(board, BOARD.sleepers, 1); // only sleepers are woken
  Atomics.wait(board, BOARD.generation, workerData.generation);
  // The job is taken, and `pending` will never come down.
  process.exit(5);
}
