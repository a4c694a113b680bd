/**
 * How threads hand each other work: a job board in shared memory, and what a worker is told when it starts.
 *
 * The job board, at `board`, i32 words. What one thread writes while another polls has a cache line of its
 * own:
 *   0 generation  raised once per job; the word everybody waits on
 *   1 sleepers    workers that are asleep, or about to be
 *  16 pending     workers that have not finished the current job
 *  17 waiting     nonzero while the calling thread is asleep, or about to be
 *  32 next        first unit of the job that no thread has taken
 *  48 kernel      index in the names a worker was told when it started, or -1: end
 *  49 units       of work in the job
 *  50 shared      units that are given out in equal shares, the first ones
 *  51 piece       units taken at a time of the others
 *  52 arguments   how many
 *  53 failed      nonzero after a trap in a worker
 *  54 dead        nonzero after a worker's thread ended without being told to
 * then, from byte 256, f64 arguments.
 */
import type { Pointer } from "./pointer.ts";

export const BOARD = {
  generation: 0,
  sleepers: 1,
  pending: 16,
  waiting: 17,
  next: 32,
  kernel: 48,
  units: 49,
  shared: 50,
  piece: 51,
  argumentCount: 52,
  failed: 53,
  dead: 54,
} as const;
export const BOARD_ARGUMENTS_OFFSET = 256;
export const BOARD_BYTES = BOARD_ARGUMENTS_OFFSET + 8 * 24;
/**
 * About 100 us of polling before a thread goes to sleep: longer than the gap between two kernels, or between
 * two tokens of greedy decoding.
 */
export const SPINS = 20_000;

/** All a worker needs to begin; can be posted to another thread. */
export interface WorkerStart {
  readonly modules: readonly WebAssembly.Module[];
  /**
   * Names of the kernels that are shared, in the order of their numbers. Told, so that a worker's script
   * holds no table of them.
   */
  readonly kernels: readonly string[];
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

/**
 * A thread's part of the job on the board: an equal share of the first units in one range, then pieces of the
 * others, as long as there are any. Threads that read memory, or that the system interrupts, are not equally
 * fast; whoever is ahead takes more.
 */
export function runUnits(
  board: Int32Array,
  kernel: (...args: number[]) => void,
  args: readonly number[],
  { thread, threads, scratch }: Pick<WorkerStart, "thread" | "threads" | "scratch">,
): void {
  const units = board[BOARD.units]!;
  const shared = board[BOARD.shared]!;
  const piece = board[BOARD.piece]!;
  const begin = Math.floor((shared * thread) / threads);
  const end = Math.floor((shared * (thread + 1)) / threads);
  if (begin < end) kernel(...args, begin, end, scratch);
  if (shared === units) return;
  for (let from: number; (from = Atomics.add(board, BOARD.next, piece)) < units;) {
    kernel(...args, from, Math.min(from + piece, units), scratch);
  }
}

/**
 * Says on the job board that a worker is gone, and wakes the thread that waits for it. To be called by
 * whoever learns of the death, from a thread that does not compute: the computing one may be asleep, waiting
 * for the dead one.
 */
export function markDead({ memory, board, thread }: WorkerStart): void {
  const words = new Int32Array(memory.buffer, board, BOARD_ARGUMENTS_OFFSET / 4);
  Atomics.store(words, BOARD.dead, thread);
  Atomics.notify(words, BOARD.pending);
}
