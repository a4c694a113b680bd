/** The watching thread, which dies as soon as a job was given, or at its start where the environment says. */
import { parentPort } from "node:worker_threads";
import "../../src/host/node/node-thread-watcher.ts";
import { BOARD, boardWords } from "../../src/kernels/job-board.ts";

if (process.env["FPTQ_TEST_WATCHER"] === "throws") throw new Error("nobody watches today");

parentPort.on("message", (order) => {
  if (order.kind !== "start") return;
  const board = boardWords(order.start);
  setInterval(() => {
    if (Atomics.load(board, BOARD.generation) > 0) process.exit(6);
  }, 1);
});
