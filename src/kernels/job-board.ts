/**
 * How threads hand each other work: a job board in shared memory, and what a worker is told when it starts.
 *
 * The job board, at `board` (i32 words, then f64 arguments from byte 64):
 *   0 generation  raised once per job; the word everybody waits on
 *   1 pending     workers that have not finished the current job
 *   2 kernel      index in SPLIT_KERNELS, or -1: end
 *   3 units       of work in the job
 *   4 arguments   how many
 *   5 failed      nonzero after a trap in a worker
 *   6 dead        nonzero after a worker's thread ended without being told to
 */
import type { Pointer } from "./kernel-exports.ts";

export const BOARD = { generation: 0, pending: 1, kernel: 2, units: 3, argumentCount: 4, failed: 5, dead: 6 } as const;
export const BOARD_ARGUMENTS_OFFSET = 64;
export const BOARD_BYTES = BOARD_ARGUMENTS_OFFSET + 8 * 24;
/** About 20 us of polling before a thread goes to sleep: longer than the gap between two kernels of a decode step. */
export const SPINS = 20_000;

/** All a worker needs to begin; can be posted to another thread. */
export interface WorkerStart {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** 1..threads-1; the calling thread is 0. */
  readonly thread: number;
  readonly threads: number;
  readonly board: Pointer;
  /** Scratch of this thread alone. */
  readonly scratch: Pointer;
  /** Job number already done when the worker starts. */
  readonly generation: number;
}

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
