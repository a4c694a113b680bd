/**
 * A worker's whole life: wait for a job in shared memory, run its share, say done, wait again. No messages,
 * no allocation.
 */
import { BOARD, boardArguments, boardWords, placeOf, runUnits, SPINS, type WorkerStart } from "./job-board.ts";
import { instantiateModules } from "./instantiate.ts";

/** Never returns before the pool ends. @param ready called once the first job can be taken */
export function runKernelWorker(start: WorkerStart, ready: () => void): void {
  const exports = instantiateModules(start.modules, start.memory);
  const kernels = start.kernels.map((name) => exports[name] as (...args: number[]) => void);
  const board = boardWords(start);
  const values = boardArguments(start);
  let seen = start.generation;
  ready();
  const args: number[] = [];
  const share = { place: 0, scratch: start.scratch };
  for (;;) {
    for (let spin = 0; spin < SPINS && Atomics.load(board, BOARD.generation) === seen; spin++);
    if (Atomics.load(board, BOARD.generation) === seen) {
      // Counted before the last look, so that a job given in between finds either a sleeper to wake or a
      // worker that has seen it.
      Atomics.add(board, BOARD.sleepers, 1);
      while (Atomics.load(board, BOARD.generation) === seen) Atomics.wait(board, BOARD.generation, seen);
      Atomics.sub(board, BOARD.sleepers, 1);
    }
    seen = Atomics.load(board, BOARD.generation);
    const kernel = Atomics.load(board, BOARD.kernel);
    if (kernel < 0) return;
    // Places are given before the first job. Without one, this worker was ready too late to be waited for.
    share.place = placeOf(board, start.thread);
    if (share.place < 1) return;
    try {
      args.length = board[BOARD.argumentCount]!;
      for (let i = 0; i < args.length; i++) args[i] = values[i]!;
      runUnits(board, kernels[kernel]!, args, share);
    } catch {
      Atomics.store(board, BOARD.failed, 1);
    }
    if (Atomics.sub(board, BOARD.pending, 1) === 1 && Atomics.load(board, BOARD.waiting) !== 0) {
      Atomics.notify(board, BOARD.pending);
    }
  }
}
