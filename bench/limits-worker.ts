/** One of several threads that run a loop at the same time (limits-threads.ts). */
import { parentPort, workerData } from "node:worker_threads";
import { type LimitBuild, Limits } from "./limits.ts";
import type { LimitOrder } from "./limits-threads.ts";

const limits = new Limits(workerData as LimitBuild);
parentPort!.on("message", ({ loop, bytes, milliseconds }: LimitOrder) =>
  parentPort!.postMessage(limits.mean(loop, bytes, milliseconds)),
);
