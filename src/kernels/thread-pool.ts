/**
 * Threads over one shared memory: a job is one kernel call, split by its units of work into contiguous
 * ranges.
 */
import { CapabilityError } from "../errors.ts";
import type { Host, WorkerHandle } from "../host/host.ts";
import { BOARD, boardArguments, boardWords, runUnits, type Share, SPINS } from "./job-board.ts";
import { type KernelExports, SHARED_PART, SPLIT_KERNELS, type SplitKernel, takenUnits } from "./kernel-table.ts";
import type { Pointer } from "./pointer.ts";
import { START_LIMIT_MS, startWorkers } from "./start-workers.ts";

/** Longest sleep of the calling thread while workers compute. */
const SLEEP_MS = 10;
/** After so many sleeps in one job it asks for a sign of life, */
const ASK_AFTER_SLEEPS = 10;
/** and believes that nobody is there if there was none after so many. */
const ANSWER_SLEEPS = 100;
/**
 * Where nobody watches over workers: longest time in which none of them takes a unit or finishes. The largest
 * call of a kernel that 4 GiB hold, 256 rows by a layer of 2^30 weights, takes one slow core as long.
 */
const UNWATCHED_MS = 60_000;

export interface PoolPlan {
  /** As in `instantiateKernels`. */
  readonly modules: readonly WebAssembly.Module[];
  readonly memory: WebAssembly.Memory;
  readonly board: Pointer;
  /** One per thread, the calling one first. */
  readonly scratch: readonly Pointer[];
}

/** A pool that is being started. */
export interface StartingPool {
  /**
   * Resolves to the pool, or to none if no worker started.
   * @throws CapabilityError as `startWorkers` does
   */
  readonly started: Promise<{ readonly pool: ThreadPool | undefined; readonly shortfall: string | undefined }>;
  /** Stops waiting and ends the workers; there is no pool then. */
  stop(): void;
}

export class ThreadPool {
  readonly threads: number;
  readonly #workers: readonly WorkerHandle[];
  readonly #kernels: KernelExports;
  readonly #board: Int32Array;
  readonly #values: Float64Array;
  readonly #self: Share;
  /** Why no further job is taken. */
  #failure: CapabilityError | undefined;
  /** What the runtime said about a death; it may arrive after the board has told of it. */
  #death: Error | undefined;
  #ending: Promise<void> | undefined;

  private constructor(plan: PoolPlan, kernels: KernelExports, workers: readonly WorkerHandle[]) {
    this.threads = 1 + workers.length;
    this.#workers = workers;
    this.#kernels = kernels;
    this.#board = boardWords(plan);
    this.#values = boardArguments(plan);
    this.#self = { place: 0, scratch: plan.scratch[0]! };
    this.#board[BOARD.threads] = this.threads;
    for (const worker of workers) worker.onDeath((error) => (this.#death ??= error));
  }

  /** @param limitMs how long to wait for workers; those that are not there then do not take part */
  static start(
    plan: PoolPlan,
    run: KernelExports,
    spawnWorker: NonNullable<Host["spawnWorker"]>,
    limitMs: number = START_LIMIT_MS,
  ): StartingPool {
    const { modules, memory, board, scratch } = plan;
    const kernels = SPLIT_KERNELS;
    const starts = scratch
      .slice(1)
      .map((own, i) => ({ modules, kernels, memory, board, thread: i + 1, scratch: own, generation: 0 }));
    const stopping = new AbortController();
    const started = startWorkers(starts, spawnWorker, limitMs, stopping.signal).then(({ workers, shortfall }) => ({
      pool: workers.length > 0 ? new ThreadPool(plan, run, workers) : undefined,
      shortfall,
    }));
    return { started, stop: () => stopping.abort() };
  }

  /**
   * @throws CapabilityError if a worker died or trapped, now or earlier, or the pool was ended; the workers
   *   are ended then
   */
  run(name: SplitKernel, units: number, work: readonly number[]): void {
    const { threads } = this;
    const [board, values] = [this.#board, this.#values];
    if (Atomics.load(board, BOARD.dead) !== 0) this.#fail(`a worker died before ${name}`);
    if (this.#failure) throw this.#failure;
    const piece = takenUnits(name);
    // Shares are whole pieces; too few units for that are shared as they are.
    const shared = piece === 0 ? units : Math.floor((SHARED_PART * units) / (threads * piece)) * threads * piece || units;
    board[BOARD.kernel] = SPLIT_KERNELS.indexOf(name);
    board[BOARD.units] = units;
    board[BOARD.shared] = board[BOARD.next] = shared;
    board[BOARD.piece] = piece;
    board[BOARD.argumentCount] = work.length;
    for (let i = 0; i < work.length; i++) values[i] = work[i]!;
    Atomics.store(board, BOARD.pending, threads - 1);
    Atomics.add(board, BOARD.generation, 1);
    // Waking costs a call into the system's wait queues, even where nobody sleeps.
    if (Atomics.load(board, BOARD.sleepers) !== 0) Atomics.notify(board, BOARD.generation);
    runUnits(board, this.#kernels[name] as (...args: number[]) => void, work, this.#self);
    this.#join(name);
  }

  /**
   * Polls first: the workers finish at about the same time as this thread. Then sleeps until the last worker
   * or `markDead` wakes it; the sleep is short because the pending count may change between reading and
   * sleeping on it, and because whoever would tell of a death may be dead as well.
   */
  #join(name: SplitKernel): void {
    const board = this.#board;
    let watch: Watch | undefined;
    for (let spin = 0, pending = 1; (pending = Atomics.load(board, BOARD.pending)) > 0; spin++) {
      if (spin < SPINS) continue;
      if (Atomics.load(board, BOARD.dead) !== 0) this.#fail(`a worker died during ${name}`);
      Atomics.store(board, BOARD.waiting, 1);
      const woken = Atomics.wait(board, BOARD.pending, pending, SLEEP_MS);
      Atomics.store(board, BOARD.waiting, 0);
      if (woken !== "timed-out") continue;
      watch ??= new Watch(board, this.#workers);
      const silence = watch.slept();
      if (silence) this.#fail(`${silence} during ${name}`);
    }
    if (Atomics.load(board, BOARD.failed) !== 0) this.#fail(`a worker trapped in ${name}`);
  }

  #fail(what: string): never {
    const cause = this.#death && { cause: this.#death };
    this.#failure ??= new CapabilityError(`threads: ${what}; load the model again to go on`, cause);
    // The caller learns of the failure from this error; the workers have nothing to add.
    void this.#stop().catch(() => {});
    throw this.#failure;
  }

  /** Resolves when every worker is gone. Jobs given afterwards are refused. */
  async end(): Promise<void> {
    this.#failure ??= new CapabilityError("threads: the model was disposed");
    await this.#stop();
  }

  #stop(): Promise<void> {
    this.#board[BOARD.kernel] = -1;
    Atomics.add(this.#board, BOARD.generation, 1);
    Atomics.notify(this.#board, BOARD.generation);
    this.#ending ??= Promise.all(this.#workers.map((worker) => worker.end())).then(() => {});
    return this.#ending;
  }
}

/**
 * Counts the sleeps of a thread that waits for workers, to tell work that takes long from workers that are no
 * more. It counts sleeps and not time: a machine that slept, or a process that was stopped, has waited for
 * nothing.
 */
class Watch {
  readonly #board: Int32Array;
  readonly #workers: readonly WorkerHandle[];
  #sleeps = 0;
  #progress = NaN;
  #answers = 0;

  constructor(board: Int32Array, workers: readonly WorkerHandle[]) {
    this.#board = board;
    this.#workers = workers;
  }

  /** To be called after each sleep in which nobody woke the thread; says who is gone. */
  slept(): string | undefined {
    const board = this.#board;
    const progress = Atomics.load(board, BOARD.pending) - Atomics.load(board, BOARD.next);
    if (progress !== this.#progress) this.#sleeps = 0;
    this.#progress = progress;
    const sleeps = ++this.#sleeps;
    const watched = this.#workers.filter(({ ask }) => ask);
    if (watched.length === 0)
      return sleeps * SLEEP_MS < UNWATCHED_MS ? undefined : `no worker did anything for ${UNWATCHED_MS / 1000} s`;
    const phase = sleeps % ANSWER_SLEEPS;
    if (phase === ASK_AFTER_SLEEPS) {
      this.#answers = Atomics.load(board, BOARD.answers);
      for (const worker of watched) worker.ask!();
    }
    if (phase === 0 && Atomics.load(board, BOARD.answers) === this.#answers)
      return "the thread that watches over the workers died";
    return undefined;
  }
}
