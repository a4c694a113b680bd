/** One of several threads that read at the same time (limits.ts). */
import { parentPort, workerData } from "node:worker_threads";
import { Limits, readFor } from "./limits.ts";

const bytes = workerData as number;
const limits = new Limits("simd128");
readFor(limits, 0, bytes);
parentPort!.on("message", (loop: number) => parentPort!.postMessage(readFor(limits, loop, bytes)));
parentPort!.postMessage("warm");
