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
 *  55 threads     that take part, the calling one included
 *  56 answers     raised by whoever watches over the workers, when it is asked for a sign of life
 * then, from byte 256, f64 arguments, and behind them a word for each thread: its place among those that take
 * part, 0 if it does not (yet), -1 after it has died.
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
  threads: 55,
  answers: 56,
} as const;
const ARGUMENTS_OFFSET = 256;
const MOST_ARGUMENTS = 24;
/** First of the places. */
const PLACES = (ARGUMENTS_OFFSET + 8 * MOST_ARGUMENTS) / 4;
export const MOST_THREADS = 64;
export const BOARD_BYTES = 4 * (PLACES + MOST_THREADS);
const DEAD = -1;
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
  /** From 1 on; the calling thread is 0. */
  readonly thread: number;
  readonly board: Pointer;
  /** Scratch of this thread alone. */
  readonly scratch: Pointer;
  /** Job number already done when the worker starts. */
  readonly generation: number;
}

export type BoardPlace = Pick<WorkerStart, "memory" | "board">;

/** The words of a job board. */
export function boardWords({ memory, board }: BoardPlace): Int32Array {
  return new Int32Array(memory.buffer, board, BOARD_BYTES / 4);
}

/** The arguments on a job board. */
export function boardArguments({ memory, board }: BoardPlace): Float64Array {
  return new Float64Array(memory.buffer, board + ARGUMENTS_OFFSET, MOST_ARGUMENTS);
}

/** Gives a worker its place among the threads that take part; says whether it lives. */
export function admit(board: Int32Array, thread: number, place: number): boolean {
  return Atomics.compareExchange(board, PLACES + thread, 0, place) === 0;
}

/** A worker's place; not positive if it takes part in nothing. */
export function placeOf(board: Int32Array, thread: number): number {
  return Atomics.load(board, PLACES + thread);
}

/** A thread's part in jobs. */
export interface Share {
  /** 0..threads-1 */
  readonly place: number;
  readonly scratch: Pointer;
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
  { place, scratch }: Share,
): void {
  const threads = board[BOARD.threads]!;
  const units = board[BOARD.units]!;
  const shared = board[BOARD.shared]!;
  const piece = board[BOARD.piece]!;
  const begin = Math.floor((shared * place) / threads);
  const end = Math.floor((shared * (place + 1)) / threads);
  if (begin < end) kernel(...args, begin, end, scratch);
  if (shared === units) return;
  for (let from: number; (from = Atomics.add(board, BOARD.next, piece)) < units;) {
    kernel(...args, from, Math.min(from + piece, units), scratch);
  }
}

/**
 * Says on the job board that a worker is gone, and wakes the thread that waits for it. To be called by
 * whoever learns of the death, from a thread that does not compute: the computing one may be asleep, waiting
 * for the dead one. A worker that had not been given a place yet will get none; nobody waits for it.
 */
export function markDead(start: BoardPlace & Pick<WorkerStart, "thread">): void {
  const words = boardWords(start);
  if (Atomics.exchange(words, PLACES + start.thread, DEAD) <= 0) return;
  Atomics.store(words, BOARD.dead, start.thread);
  Atomics.notify(words, BOARD.pending);
}

/** Gives the calling thread a sign of life of whoever watches over a worker. */
export function answer(start: BoardPlace): void {
  Atomics.add(boardWords(start), BOARD.answers, 1);
}
