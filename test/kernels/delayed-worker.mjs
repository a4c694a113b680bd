/**
 * A kernel worker that is put off its core again and again: between any two accesses to the job board, for a
 * moment or for milliseconds, as `workerData.delays` (a seed) says; or for ever just before it would claim
 * its first share.
 */
import { parentPort, workerData } from "node:worker_threads";
import { BOARD } from "../../src/kernels/threads/job-board.ts";
import { runKernelWorker } from "../../src/kernels/threads/kernel-worker.ts";
import { delayAtomics } from "./delay-atomics.ts";

if (workerData.delays === "before its first share") {
  const { load } = Atomics;
  Atomics.load = (words, index) => {
    if (index === BOARD.left) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    return load(words, index);
  };
} else {
  delayAtomics(workerData.delays + workerData.thread);
}
runKernelWorker(workerData, () => parentPort.postMessage("ready"));
