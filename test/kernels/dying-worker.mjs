/** A kernel worker of which the first one dies, or every one with a number, when `workerData.death` says. */
import { parentPort, workerData } from "node:worker_threads";
import { BOARD, boardWords, claimShare } from "../../src/kernels/threads/job-board.ts";
import { runKernelWorker } from "../../src/kernels/threads/kernel-worker.ts";

const ready = () => parentPort.postMessage("ready");
if (typeof workerData.death === "number") {
  // Dies in the job of that number of those it takes part in, before it says that its part is done.
  const { sub } = Atomics;
  let jobs = 0;
  Atomics.sub = (words, index, count) => {
    if (index === BOARD.pending && ++jobs === workerData.death) process.exit(5);
    return sub(words, index, count);
  };
  runKernelWorker(workerData, ready);
} else if (workerData.death === "slow") {
  // Is not dead: its first job takes as long as several questions whether somebody is there.
  const { sub } = Atomics;
  let slow = true;
  Atomics.sub = (words, index, count) => {
    if (index === BOARD.pending && slow) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2500);
    if (index === BOARD.pending) slow = false;
    return sub(words, index, count);
  };
  runKernelWorker(workerData, ready);
} else if (workerData.thread > 1) {
  runKernelWorker(workerData, ready);
} else if (workerData.death === "at start") {
  throw new Error("no thread today");
} else if (workerData.death === "between jobs") {
  ready();
  setTimeout(() => process.exit(4), 500); // once the model is loaded
} else {
  ready();
  const board = boardWords(workerData);
  // A share is claimed, and `pending` will never come down.
  while (claimShare(board) < 0);
  board[board.length - 1] = 1; // the place of a thread that there is not: the watching one waits for this
  if (workerData.death === "with its watcher") Atomics.wait(board, BOARD.kernel, board[BOARD.kernel]);
  process.exit(5);
}
