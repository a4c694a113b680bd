/**
 * A worker's whole life: wait for a job in shared memory, run its share, say done, wait again. No messages, no allocation.
 *
 * The job board, at `start.board` (i32 words, then f64 arguments from byte 64):
 *   0 generation  raised once per job; the word everybody waits on
 *   1 pending     workers that have not finished the current job
 *   2 kernel      index in SPLIT_KERNELS, or -1: end
 *   3 units       of work in the job
 *   4 arguments   how many
 *   5 failed      nonzero after a trap in a worker
 *   6 dead        nonzero after a worker's thread ended without being told to
 */
import { instantiateKernels } from "./kernels.ts";
import { SPLIT_KERNELS } from "./split-kernels.ts";
import type { WorkerStart } from "./thread-pool.ts";

export const BOARD = { generation: 0, pending: 1, kernel: 2, units: 3, argumentCount: 4, failed: 5, dead: 6 } as const;
export const BOARD_ARGUMENTS_OFFSET = 64;
export const BOARD_BYTES = BOARD_ARGUMENTS_OFFSET + 8 * 24;
/** About 20 us of polling before a thread goes to sleep: longer than the gap between two kernels of a decode step. */
export const SPINS = 20_000;

/** The contiguous share of thread `thread` of `threads` in `units` units. */
export function share(units: number, thread: number, threads: number): [begin: number, end: number] {
  return [Math.floor((units * thread) / threads), Math.floor((units * (thread + 1)) / threads)];
}

/**
 * Says on the job board that a worker is gone, and wakes the thread that waits for it. To be called by whoever learns of the death,
 * from a thread that does not compute: the computing one may be asleep, waiting for the dead one.
 */
export function markDead({ memory, board, thread }: WorkerStart): void {
  const words = new Int32Array(memory.buffer, board, BOARD_ARGUMENTS_OFFSET / 4);
  Atomics.store(words, BOARD.dead, thread);
  Atomics.notify(words, BOARD.pending);
}

/** Never returns before the pool ends. @param ready called once the first job can be taken */
export function runKernelWorker(start: WorkerStart, ready: () => void): void {
  const kernels = instantiateKernels(start.module, start.memory);
  const table = SPLIT_KERNELS.map((name) => kernels[name] as (...args: number[]) => void);
  const board = new Int32Array(start.memory.buffer, start.board, BOARD_ARGUMENTS_OFFSET / 4);
  const values = new Float64Array(start.memory.buffer, start.board + BOARD_ARGUMENTS_OFFSET, 24);
  let seen = start.generation;
  ready();
  for (;;) {
    for (let spin = 0; spin < SPINS && Atomics.load(board, BOARD.generation) === seen; spin++);
    while (Atomics.load(board, BOARD.generation) === seen) Atomics.wait(board, BOARD.generation, seen);
    seen = Atomics.load(board, BOARD.generation);
    const kernel = Atomics.load(board, BOARD.kernel);
    if (kernel < 0) return;
    try {
      const [begin, end] = share(board[BOARD.units]!, start.thread, start.threads);
      const args = Array.from(values.subarray(0, board[BOARD.argumentCount]));
      if (begin < end) table[kernel]!(...args, begin, end, start.scratch);
    } catch {
      Atomics.store(board, BOARD.failed, 1);
    }
    if (Atomics.sub(board, BOARD.pending, 1) === 1) Atomics.notify(board, BOARD.pending);
  }
}
