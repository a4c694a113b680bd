/**
 * A worker's whole life: wait for a job in shared memory, compute what it claims of it, say done, wait again.
 * No messages, no allocation.
 */
import { beginOf, BOARD, boardArguments, boardWords, claimShare, placeOf, type WorkerStart } from "./job-board.ts";
import { instantiateModules } from "../instantiate.ts";

/** Never returns before the pool ends. @param ready called once the first job can be taken */
export function runKernelWorker(start: WorkerStart, ready: () => void): void {
  const memories = start.memories.map(({ memory, scratch }) => {
    const exports = instantiateModules(start.modules, memory);
    return { kernels: start.kernels.map((name) => exports[name] as (...args: number[]) => void), scratch };
  });
  const board = boardWords(start);
  const values = boardArguments(start);
  let seen = start.generation;
  ready();
  const args: number[] = [];
  let spins = 0;
  for (;;) {
    const budget = Atomics.load(board, BOARD.spins);
    for (; spins < budget && Atomics.load(board, BOARD.generation) === seen; spins++);
    if (Atomics.load(board, BOARD.generation) === seen) {
      // Counted before the last look, so that a job given in between finds either a sleeper to wake or a
      // worker that has seen it.
      Atomics.add(board, BOARD.sleepers, 1);
      while (Atomics.load(board, BOARD.generation) === seen) Atomics.wait(board, BOARD.generation, seen);
      Atomics.sub(board, BOARD.sleepers, 1);
      spins = 0;
    }
    seen = Atomics.load(board, BOARD.generation);
    if (Atomics.load(board, BOARD.ended) !== 0) return;
    // Places are given before the first job. Without one, this worker was ready too late to take part.
    if (placeOf(board, start.thread) < 1) return;
    let finished = 0;
    for (let share: number; (share = claimShare(board)) >= 0; finished++) {
      try {
        args.length = board[BOARD.argumentCount]!;
        for (let i = 0; i < args.length; i++) args[i] = values[i]!;
        const { kernels, scratch } = memories[board[BOARD.memory]!]!;
        kernels[board[BOARD.kernel]!]!(...args, beginOf(board, share), beginOf(board, share + 1), scratch);
      } catch {
        Atomics.store(board, BOARD.failed, 1);
      }
    }
    // Whoever comes for nothing goes on polling for what is left of its time: there may be more workers than
    // shares.
    if (finished === 0) continue;
    spins = 0;
    if (Atomics.sub(board, BOARD.pending, finished) === finished && Atomics.load(board, BOARD.waiting) !== 0) {
      Atomics.notify(board, BOARD.pending);
    }
  }
}
