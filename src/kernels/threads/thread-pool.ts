/**
 * Threads over the shared memories of a model: a job is one kernel call in one of them, split by its units of
 * work into contiguous ranges, which threads claim (`job-board.ts`).
 */
import { CapabilityError } from "../../errors.ts";
import type { Host, WorkerHandle } from "../../host/host.ts";
import { beginOf, BOARD, boardArguments, boardWords, claimAll, claimShare, openJob } from "./job-board.ts";
import { type KernelExports, SHARED_PART, SPLIT_KERNELS, type SplitKernel, takenUnits } from "../kernel-table.ts";
import type { Pointer } from "../pointer.ts";
import { Polling } from "./polling.ts";
import { START_LIMIT_MS, startWorkers } from "./start-workers.ts";

/** Longest sleep of the calling thread while workers compute. */
const SLEEP_MS = 10;
/** After so many sleeps in one job it asks for a sign of life, */
const ASK_AFTER_SLEEPS = 10;
/** and believes that nobody is there if there was none after so many. */
const ANSWER_SLEEPS = 100;
/**
 * Where nobody watches over workers: longest time in which none of them finishes its shares. The largest
 * call of a kernel that 4 GiB hold, 256 rows by a layer of 2^30 weights, takes one slow core as long.
 */
const UNWATCHED_MS = 60_000;

/** A memory, and the calling thread's kernels over it. */
export interface PoolMemory {
  readonly memory: WebAssembly.Memory;
  readonly run: KernelExports;
  /** One region per thread, the calling one first. */
  readonly scratch: readonly Pointer[];
}

export interface PoolPlan {
  /** As in `instantiateKernels`. */
  readonly modules: readonly WebAssembly.Module[];
  /** The first has the job board. */
  readonly memories: readonly PoolMemory[];
  readonly board: Pointer;
  /** How long threads poll before they sleep, 0 to 100; by default 50. */
  readonly poll?: number | undefined;
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
  readonly #memories: readonly PoolMemory[];
  readonly #board: Int32Array;
  readonly #values: Float64Array;
  readonly #polling: Polling;
  #sleptMs = 0;
  /** Why no further job is taken. */
  #failure: CapabilityError | undefined;
  /** What the runtime said about a death; it may arrive after the board has told of it. */
  #death: Error | undefined;
  #ending: Promise<void> | undefined;

  private constructor(plan: PoolPlan, workers: readonly WorkerHandle[]) {
    this.threads = 1 + workers.length;
    this.#workers = workers;
    this.#memories = plan.memories;
    this.#board = boardWords(plan);
    this.#values = boardArguments(plan);
    this.#polling = new Polling(plan.poll);
    for (const worker of workers) worker.onDeath((error) => (this.#death ??= error));
  }

  /** @param limitMs how long to wait for workers; those that are not there then do not take part */
  static start(plan: PoolPlan, spawnWorker: NonNullable<Host["spawnWorker"]>, limitMs: number = START_LIMIT_MS): StartingPool {
    const { modules, board } = plan;
    const kernels = SPLIT_KERNELS;
    const starts = Array.from({ length: plan.memories[0]!.scratch.length - 1 }, (_, i) => {
      const thread = i + 1;
      const memories = plan.memories.map(({ memory, scratch }) => ({ memory, scratch: scratch[thread]! }));
      return { modules, kernels, memories, board, thread, generation: 0 };
    });
    const stopping = new AbortController();
    const started = startWorkers(starts, spawnWorker, limitMs, stopping.signal).then(({ workers, shortfall }) => ({
      pool: workers.length > 0 ? new ThreadPool(plan, workers) : undefined,
      shortfall,
    }));
    return { started, stop: () => stopping.abort() };
  }

  /** Milliseconds the calling thread has slept at the ends of jobs, waiting for workers. */
  get sleptMs(): number {
    return this.#sleptMs;
  }

  /**
   * @param memory index of the memory that `work` points into
   * @param threads that share the work, 2 to `this.threads`
   * @throws CapabilityError if a worker died, now or earlier, a share trapped, or the pool was ended; the
   *   workers are ended then
   */
  run(memory: number, name: SplitKernel, units: number, work: readonly number[], threads = this.threads): void {
    const board = this.#board;
    if (Atomics.load(board, BOARD.dead) !== 0) this.#fail(`a worker died before ${name}`);
    if (this.#failure) throw this.#failure;
    const piece = takenUnits(name);
    const large = Math.min(threads, units);
    // Large shares are whole pieces; too few units for that are shared as they are.
    const shared = piece === 0 ? units : Math.floor((SHARED_PART * units) / (large * piece)) * large * piece || units;
    const { spins } = this.#polling;
    Atomics.store(board, BOARD.spins, spins);
    openJob(board, this.#values, { kernel: SPLIT_KERNELS.indexOf(name), memory, units, work, large, shared, piece });
    this.#wake(large - 1);
    let trap: unknown;
    try {
      this.#compute(this.#memories[memory]!, name, work);
    } catch (error) {
      trap = error;
      Atomics.store(board, BOARD.failed, 1);
      Atomics.sub(board, BOARD.pending, claimAll(board));
    }
    const before = this.#sleptMs;
    this.#join(name, spins);
    if (Atomics.load(board, BOARD.failed) !== 0) this.#fail(`a share of ${name} trapped`, trap);
    this.#polling.joined(this.#sleptMs - before);
  }

  /** Sees to it that so many workers are awake, if there are. */
  #wake(workers: number): void {
    const board = this.#board;
    // Waking costs a call into the system's wait queues, even where nobody sleeps.
    const sleepers = Atomics.load(board, BOARD.sleepers);
    const missing = workers - (this.#workers.length - sleepers);
    if (sleepers > 0 && missing > 0) Atomics.notify(board, BOARD.generation, missing);
  }

  /** Computes the first share, then those nobody has claimed. */
  #compute({ run, scratch: [scratch] }: PoolMemory, name: SplitKernel, work: readonly number[]): void {
    const board = this.#board;
    const kernel = run[name] as (...args: number[]) => void;
    kernel(...work, 0, beginOf(board, 1), scratch!);
    let own = 0;
    try {
      for (let share: number; (share = claimShare(board)) >= 0;) {
        own++;
        kernel(...work, beginOf(board, share), beginOf(board, share + 1), scratch!);
      }
    } finally {
      if (own > 0) Atomics.sub(board, BOARD.pending, own);
    }
  }

  /**
   * Polls first: the workers finish at about the same time as this thread. Then sleeps until the last worker
   * or `markDead` wakes it; the sleep is short because the pending count may change between reading and
   * sleeping on it, and because whoever would tell of a death may be dead as well.
   */
  #join(name: SplitKernel, spins: number): void {
    const board = this.#board;
    for (let spin = 0; spin < spins; spin++) if (Atomics.load(board, BOARD.pending) <= 0) return;
    let watch: Watch | undefined;
    let began = NaN;
    for (let pending: number; (pending = Atomics.load(board, BOARD.pending)) > 0;) {
      if (watch === undefined) began = performance.now();
      watch ??= new Watch(board, this.#workers);
      if (Atomics.load(board, BOARD.dead) !== 0) this.#fail(`a worker died during ${name}`);
      Atomics.store(board, BOARD.waiting, 1);
      const woken = Atomics.wait(board, BOARD.pending, pending, SLEEP_MS);
      Atomics.store(board, BOARD.waiting, 0);
      if (woken !== "timed-out") continue;
      const silence = watch.slept();
      if (silence) this.#fail(`${silence} during ${name}`);
    }
    if (watch !== undefined) this.#sleptMs += performance.now() - began;
  }

  #fail(what: string, trap?: unknown): never {
    const cause = trap ?? this.#death;
    this.#failure ??= new CapabilityError(`threads: ${what}; load the model again to go on`, cause ? { cause } : undefined);
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
    Atomics.store(this.#board, BOARD.ended, 1);
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
    const progress = Atomics.load(board, BOARD.pending);
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
