/** The thread that `node.ts` starts: a kernel worker, and nothing else. */
import { parentPort, workerData } from "node:worker_threads";
import { runKernelWorker } from "../../kernels/threads/kernel-worker.ts";
import type { WorkerStart } from "../../kernels/threads/job-board.ts";

runKernelWorker(workerData as WorkerStart, () => parentPort?.postMessage("ready"));
