/**
 * Threads over one shared memory: a job is one kernel call, split by its units of work into contiguous
 * ranges.
 */
import { CapabilityError } from "../errors.ts";
import type { Host, WorkerHandle } from "../host/host.ts";
import { BOARD, BOARD_ARGUMENTS_OFFSET, runUnits, SPINS, type WorkerStart } from "./job-board.ts";
import { type KernelExports, SHARED_PART, SPLIT_KERNELS, type SplitKernel, takenUnits } from "./kernel-table.ts";
import type { Pointer } from "./pointer.ts";

export interface PoolPlan {
  /** As in `instantiateKernels`. */
  readonly modules: readonly WebAssembly.Module[];
  readonly memory: WebAssembly.Memory;
  readonly board: Pointer;
  /** One per thread, the calling one first. */
  readonly scratch: readonly Pointer[];
}

export class ThreadPool {
  readonly threads: number;
  readonly #workers: readonly WorkerHandle[];
  readonly #kernels: KernelExports;
  readonly #board: Int32Array;
  readonly #values: Float64Array;
  readonly #self: Pick<WorkerStart, "thread" | "threads" | "scratch">;
  /** Why no further job is taken. */
  #failure: CapabilityError | undefined;
  /** What the runtime said about a death; it may arrive after the board has told of it. */
  #death: Error | undefined;
  #ending: Promise<void> | undefined;

  private constructor(plan: PoolPlan, kernels: KernelExports, workers: readonly WorkerHandle[]) {
    this.threads = plan.scratch.length;
    this.#workers = workers;
    this.#kernels = kernels;
    this.#board = new Int32Array(plan.memory.buffer, plan.board, BOARD_ARGUMENTS_OFFSET / 4);
    this.#values = new Float64Array(plan.memory.buffer, plan.board + BOARD_ARGUMENTS_OFFSET, 24);
    this.#self = { thread: 0, threads: this.threads, scratch: plan.scratch[0]! };
    for (const worker of workers) worker.onDeath((error) => (this.#death = error));
  }

  /** @throws CapabilityError if a worker could not start; the others are ended */
  static async start(plan: PoolPlan, kernels: KernelExports, spawnWorker: NonNullable<Host["spawnWorker"]>): Promise<ThreadPool> {
    const { modules, memory, board, scratch } = plan;
    const common = { modules, kernels: SPLIT_KERNELS, memory, board, threads: scratch.length, generation: 0 };
    const workers = scratch.slice(1).map((own, i) => spawnWorker({ ...common, thread: i + 1, scratch: own }));
    try {
      await Promise.all(workers.map((worker) => worker.ready));
    } catch (cause) {
      await Promise.all(workers.map((worker) => worker.end()));
      const { message } = cause as Error;
      throw new CapabilityError(`threads: of ${workers.length} workers asked for, one did not start: ${message}`, { cause });
    }
    return new ThreadPool(plan, kernels, workers);
  }

  /**
   * @throws CapabilityError if a worker died or trapped, now or earlier, or the pool was ended; the workers
   *   are ended then
   */
  run(name: SplitKernel, units: number, work: readonly number[]): void {
    const { threads } = this;
    const [board, values] = [this.#board, this.#values];
    if (Atomics.load(board, BOARD.dead) !== 0) this.#fail(`died before ${name}`);
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
   * sleeping on it.
   */
  #join(name: SplitKernel): void {
    const board = this.#board;
    for (let spin = 0, pending = 1; (pending = Atomics.load(board, BOARD.pending)) > 0; spin++) {
      if (spin < SPINS) continue;
      if (Atomics.load(board, BOARD.dead) !== 0) this.#fail(`died during ${name}`);
      Atomics.store(board, BOARD.waiting, 1);
      Atomics.wait(board, BOARD.pending, pending, 10);
      Atomics.store(board, BOARD.waiting, 0);
    }
    if (Atomics.load(board, BOARD.failed) !== 0) this.#fail(`trapped in ${name}`);
  }

  #fail(what: string): never {
    const cause = this.#death && { cause: this.#death };
    this.#failure ??= new CapabilityError(`threads: a worker ${what}; load the model again to go on`, cause);
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
