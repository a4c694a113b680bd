/**
 * The watching thread, which dies when its first worker has claimed a share, or at its start where the
 * environment says.
 */
import { parentPort } from "node:worker_threads";
import "../../src/host/node/node-thread-watcher.ts";
import { boardWords } from "../../src/kernels/threads/job-board.ts";

if (process.env["FPTQ_TEST_WATCHER"] === "throws") throw new Error("nobody watches today");

parentPort.on("message", (order) => {
  if (order.kind !== "start") return;
  const board = boardWords(order.start);
  setInterval(() => {
    if (Atomics.load(board, board.length - 1) > 0) process.exit(6);
  }, 1);
});
