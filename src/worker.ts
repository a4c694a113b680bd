/** The script of a kernel thread in a page, `fptq/worker`: told once what to work on, it computes until the model is disposed. */
import { markDead, type WorkerStart } from "./kernels/job-board.ts";
import { runKernelWorker } from "./kernels/kernel-worker.ts";

addEventListener(
  "message",
  ({ data: start }: MessageEvent<WorkerStart>) => {
    try {
      runKernelWorker(start, () => postMessage("ready"));
    } catch (error) {
      // Whoever waits for this thread may be asleep and hear nothing else.
      markDead(start);
      throw error;
    }
  },
  { once: true },
);
