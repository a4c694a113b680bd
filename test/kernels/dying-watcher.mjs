/** The watching thread, which dies as soon as a job was given. */
import { parentPort } from "node:worker_threads";
import "../../src/host/node/node-thread-watcher.ts";
import { BOARD, boardWords } from "../../src/kernels/job-board.ts";

parentPort.on("message", (order) => {
  if (order.kind !== "start") return;
  const board = boardWords(order.start);
  setInterval(() => {
    if (Atomics.load(board, BOARD.generation) > 0) process.exit(6);
  }, 1);
});
