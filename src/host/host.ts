/**
 * The needs of the core from the place it runs in. Each file beside this one supplies these capabilities for
 * one runtime and is the only kind of file that imports a runtime's own modules.
 */
import type { KernelBuild } from "../kernels/kernel-build.ts";
import type { WorkerStart } from "../kernels/threads/job-board.ts";

/** What a place where models run brings: kernels, threads, a clock. */
export interface Host {
  /** A name for reports: "node", "deno", "bun", "workerd", "browser". */
  readonly name: string;
  /** Version of the runtime, in its own words. */
  readonly version: string;
  /** The machine below, as far as a program is told. */
  platform?(): Platform;
  /** Whether a page may share memory between threads. Absent elsewhere. */
  readonly crossOriginIsolated?: boolean;
  /**
   * The compiled module of a kernel build; rejects where the build is not there or the engine cannot compile
   * it. "quantizer" is asked for only where something is quantized or calibrated, those that begin with
   * "kept-" only for weights that are kept as a file has them.
   */
  kernelModule(build: KernelBuild): Promise<WebAssembly.Module>;
  /** Lets timers, signals and other events run. Resolves in a later task, not a microtask. */
  yieldToEvents(): Promise<void>;
  /**
   * The number of threads kernels use by default beside the calling one: one per physical core. Absent or 0
   * where memory cannot be shared.
   */
  readonly extraThreads?: number;
  /**
   * Threads that run at the same time, by the machine and by what the process may use of it; more than that
   * work, slowly. Absent: 1 + `extraThreads`.
   */
  readonly hardwareThreads?: number;
  /** Processors' time a second that a container grants, not always whole. Absent: no limit, or none known. */
  readonly cpuLimit?: number;
  /**
   * The reason why threads are missing where they could be had, and what to do. Given to `onWarning` when a
   * model is loaded.
   */
  readonly threadsObstacle?: string;
  /**
   * Starts `runKernelWorker(start)` (`src/kernels/threads/kernel-worker.ts`) on a thread of its own. Present
   * where memory can be shared and the calling thread may sleep in `Atomics.wait`, which a page's main
   * thread may not. If the thread dies without being told to, `markDead(start)` has to be called even while
   * the calling thread sleeps. What it throws counts as a worker that does not start.
   */
  spawnWorker?(start: WorkerStart): WorkerHandle;
}

/** Machine a runtime says it runs on. */
export interface Platform {
  /** "linux", "darwin", "win32", ... */
  readonly os: string;
  /** "x64", "arm64", ... */
  readonly arch: string;
  /** Name of the processor. */
  readonly cpu: string;
}

/** Started thread. */
export interface WorkerHandle {
  /**
   * Resolves when the worker waits for its first job; rejects if it could not start or died. There are fewer
   * threads then, unless the reason is a CapabilityError: loading fails with that.
   */
  readonly ready: Promise<void>;
  /** Called once if the worker dies before it was told to end. */
  onDeath(handler: (error: Error) => void): void;
  /**
   * Asks whoever watches over the worker to call `answer(start)`, from a thread that does not compute: the
   * calling one is about to sleep. Absent where nobody does.
   */
  ask?(): void;
  /** Resolves when the thread is gone. */
  end(): Promise<void>;
}
