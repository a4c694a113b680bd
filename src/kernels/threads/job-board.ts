/**
 * How threads hand each other work: a job board in shared memory, and what a worker is told when it starts.
 * One board serves all memories of a model: a job says in which of them it is.
 *
 * The job board, at `board` of the first memory, i32 words. What one thread writes while another polls has a
 * cache line of its own:
 *   0 generation  raised once per job; the word workers wait on
 *   1 sleepers    workers that are asleep, or about to be
 *  16 pending     shares that are not finished, without those of the calling thread
 *  17 waiting     nonzero while the calling thread is asleep, or about to be
 *  32 left        shares nobody has claimed; none if not positive
 *  48 kernel      index in the names a worker was told when it started
 *  49 units       of work in the job
 *  50 shares      into which they are split
 *  51 large       of these shares, the first ones, that are equal parts of
 *  52 shared      so many units; each of the others is
 *  53 piece       units, the last one maybe less
 *  54 arguments   how many
 *  55 spins       looks of a worker for another job before it goes to sleep
 *  56 failed      nonzero after a trap in a share
 *  57 dead        nonzero after a worker's thread ended without being told to
 *  58 answers     raised by whoever watches over the workers, when it is asked for a sign of life
 *  59 ended       nonzero when workers are to end
 *  60 memory      index in the memories a worker was told of
 * then, from byte 256, f64 arguments, and behind them a word for each thread: its place among those that take
 * part, 0 if it does not (yet), -1 after it has died.
 *
 * The protocol. A job is split into shares, contiguous ranges of units. A share belongs to whoever claims
 * it, and only claimed shares are waited for: a worker that is off its core when a job is given, or asleep,
 * costs nothing, because the calling thread claims what nobody else does.
 *
 *   1. The calling thread writes kernel, memory, units, arguments (48 to 54, 60), then `pending`, then
 *      `left`, which opens the job, then raises `generation`, and wakes sleepers.
 *   2. To claim a share is to take one from `left` (`Atomics.sub`). If there was one, it is claimed: the last
 *      for 1, the one before for 2, and so on. If there was none, nothing is claimed.
 *   3. What a worker has claimed it reads from the board afterwards, computes, and takes from `pending`.
 *   4. The calling thread claims until nothing is left, then waits until `pending` is 0.
 *
 * Why nobody reads a job that is being written, or one for another: between 4 and the next opening `left`
 * is not positive and no claimed share is unfinished. So whoever takes one from a positive `left`, however
 * late and whatever job it had come for, has claimed a share of the job that is on the board, and that job
 * stays there until the share is finished. One number decides, and it is compared with nothing that was read
 * before, so nothing can have changed and changed back meanwhile. A late `sub` before an opening makes `left`
 * more negative, which the opening overwrites; after it, it is a claim like any other.
 */
import type { Pointer } from "../pointer.ts";

export const BOARD = {
  generation: 0,
  sleepers: 1,
  pending: 16,
  waiting: 17,
  left: 32,
  kernel: 48,
  units: 49,
  shares: 50,
  large: 51,
  shared: 52,
  piece: 53,
  argumentCount: 54,
  spins: 55,
  failed: 56,
  dead: 57,
  answers: 58,
  ended: 59,
  memory: 60,
} as const;
const ARGUMENTS_OFFSET = 256;
const MOST_ARGUMENTS = 24;
/** First of the places. */
const PLACES = (ARGUMENTS_OFFSET + 8 * MOST_ARGUMENTS) / 4;
export const MOST_THREADS = 64;
export const BOARD_BYTES = 4 * (PLACES + MOST_THREADS);
const DEAD = -1;

/** All a worker needs to begin; can be posted to another thread. */
export interface WorkerStart {
  readonly modules: readonly WebAssembly.Module[];
  /**
   * Names of the kernels that are shared, in the order of their numbers. Told, so that a worker's script
   * holds no table of them.
   */
  readonly kernels: readonly string[];
  /** Memories that jobs are in, and scratch of this thread alone in each. The first has the job board. */
  readonly memories: readonly { readonly memory: WebAssembly.Memory; readonly scratch: Pointer }[];
  /** From 1 on; the calling thread is 0. */
  readonly thread: number;
  readonly board: Pointer;
  /** Job number already done when the worker starts. */
  readonly generation: number;
}

export interface BoardPlace {
  readonly memories: readonly Pick<WorkerStart["memories"][number], "memory">[];
  readonly board: Pointer;
}

/** The words of a job board. */
export function boardWords({ memories, board }: BoardPlace): Int32Array {
  return new Int32Array(memories[0]!.memory.buffer, board, BOARD_BYTES / 4);
}

/** The arguments on a job board. */
export function boardArguments({ memories, board }: BoardPlace): Float64Array {
  return new Float64Array(memories[0]!.memory.buffer, board + ARGUMENTS_OFFSET, MOST_ARGUMENTS);
}

/** Gives a worker its place among the threads that take part; says whether it lives. */
export function admit(board: Int32Array, thread: number, place: number): boolean {
  return Atomics.compareExchange(board, PLACES + thread, 0, place) === 0;
}

/** A worker's place; not positive if it takes part in nothing. */
export function placeOf(board: Int32Array, thread: number): number {
  return Atomics.load(board, PLACES + thread);
}

/** A job to be put on the board. */
export interface Job {
  /** Its index in `WorkerStart.kernels`. */
  readonly kernel: number;
  /** The index of its memory in `WorkerStart.memories`. */
  readonly memory: number;
  readonly units: number;
  /** The kernel's arguments before the range. */
  readonly work: readonly number[];
  /** Equal shares, as many as threads are to take part; not more than units. */
  readonly large: number;
  /** Units that these share; a multiple of `large` if others are left. */
  readonly shared: number;
  /** Units of each further share; 0 if there is none. */
  readonly piece: number;
}

/**
 * Opens a job of which the calling thread has claimed the first share.
 * @returns how many shares there are
 */
export function openJob(board: Int32Array, values: Float64Array, job: Job): number {
  const { kernel, memory, units, work, large, shared, piece } = job;
  const shares = large + (shared < units ? Math.ceil((units - shared) / piece) : 0);
  board[BOARD.kernel] = kernel;
  board[BOARD.memory] = memory;
  board[BOARD.units] = units;
  board[BOARD.shares] = shares;
  board[BOARD.large] = large;
  board[BOARD.shared] = shared;
  board[BOARD.piece] = piece;
  board[BOARD.argumentCount] = work.length;
  for (let i = 0; i < work.length; i++) values[i] = work[i]!;
  Atomics.store(board, BOARD.pending, shares - 1);
  Atomics.store(board, BOARD.left, shares - 1);
  Atomics.add(board, BOARD.generation, 1);
  return shares;
}

/** Claims a share of the job that is open; its number, or -1 if none is left. */
export function claimShare(board: Int32Array): number {
  // Looking does not take the line from those who claim.
  if (Atomics.load(board, BOARD.left) <= 0) return -1;
  const left = Atomics.sub(board, BOARD.left, 1);
  return left > 0 ? board[BOARD.shares]! - left : -1;
}

/** Claims all shares that are left, so that nobody computes them. @returns how many there were */
export function claimAll(board: Int32Array): number {
  return Math.max(0, Atomics.exchange(board, BOARD.left, 0));
}

/** First unit of a claimed share; that of the next one is where it ends. */
export function beginOf(board: Int32Array, share: number): number {
  const large = board[BOARD.large]!;
  const shared = board[BOARD.shared]!;
  if (share <= large) return Math.floor((shared * share) / large);
  return Math.min(board[BOARD.units]!, shared + (share - large) * board[BOARD.piece]!);
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
