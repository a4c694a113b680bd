/** Kernel builds instantiated over a memory, alone or with threads, which other memories may share. */
import { CapabilityError, DisposedError } from "../errors.ts";
import type { WorkOptions } from "../host/work.ts";
import { instantiateModules } from "./instantiate.ts";
import { type KernelExports, type KernelName, KERNELS, type KernelWork, moduleOf, type SplitKernel } from "./kernel-table.ts";
import { KernelThreads } from "./threads/kernel-threads.ts";
import { MemoryPlan } from "./memory-plan.ts";
import type { Pointer } from "./pointer.ts";

/** In place of kernels that no module has: where only a part is needed, only that is loaded. */
const ABSENT = Object.fromEntries(
  (Object.keys(KERNELS) as KernelName[]).map((name) => [name, () => refuse(name)]),
) as unknown as KernelExports;

/** What has the kernels of a module, for messages. */
const NEEDED = {
  inference: "a build of this version, fptq/wasm/*",
  quantizer: "fptq/wasm/fptq-quantizer.wasm",
  kept: "fptq/wasm/fptq-kept-simd128.wasm or fptq-kept-relaxed.wasm",
};

function refuse(name: KernelName): never {
  throw new CapabilityError(`kernels: the modules given do not export ${name}; need ${NEEDED[moduleOf(name)]}`);
}

/**
 * Instantiates modules over one memory.
 *
 * @param modules those of the build that runs models and, where something is quantized, the quantizer's;
 *   where weights are kept as a file has them, the build for these
 * @returns their exports; a kernel that none of them has throws a CapabilityError when it is called
 */
export function instantiateKernels(modules: readonly WebAssembly.Module[], memory: WebAssembly.Memory): KernelExports {
  return { ...ABSENT, ...instantiateModules(modules, memory) };
}

/**
 * The size functions of a build, which need no data and so only the memory a module asks for. Its maximum is
 * as small: engines reserve addresses for all of a shared memory's maximum, and a process that lacks 4 GiB of
 * them may still hold a model.
 * @throws CapabilityError if the runtime has no room for it
 */
export function kernelSizes(modules: readonly WebAssembly.Module[], shared: boolean): KernelExports {
  return instantiateKernels(modules, new MemoryPlan().createMemory(shared));
}

/** In place of the kernels of a model that was disposed. */
const DISPOSED = Object.fromEntries(
  (Object.keys(KERNELS) as KernelName[]).map((name) => [name, disposed]),
) as unknown as KernelExports;

function disposed(): never {
  throw new DisposedError("kernels: got a call after dispose, need to load the model again");
}

export class Kernels {
  /** Whether the memory is shared, threads or not. */
  readonly shared: boolean;
  readonly #scratch: Pointer;
  readonly #threads: KernelThreads;
  /** Number of this memory among those of the threads. */
  readonly #place: number;
  #run: KernelExports;
  #memory: WebAssembly.Memory | undefined;
  #disposal: Promise<void> | undefined;

  /** @param shared threads over this memory and others; the kernels can be used before they are there */
  constructor(
    run: KernelExports,
    memory: WebAssembly.Memory,
    scratch: Pointer,
    { threads, place }: { readonly threads: KernelThreads; readonly place: number } = { threads: new KernelThreads(), place: 0 },
  ) {
    this.#run = run;
    this.#memory = memory;
    this.#scratch = scratch;
    this.#threads = threads;
    this.#place = place;
    this.shared = Object.prototype.toString.call(memory.buffer) === "[object SharedArrayBuffer]";
  }

  /** Kernels on the calling thread, not split. */
  get run(): KernelExports {
    return this.#run;
  }

  get memory(): WebAssembly.Memory {
    return this.#memory ?? disposed();
  }

  /**
   * Resolves when the threads take part; until then all work runs on the calling one.
   *
   * @returns the reason if there are fewer than asked for, which `onWarning` is told as well
   * @throws CapabilityError if one cannot be started in the way the caller chose; AbortError
   */
  threadsStarted(work: Pick<WorkOptions, "signal" | "onWarning"> = {}): Promise<string | undefined> {
    return this.#threads.started(work);
  }

  /** Threads that take part in a split, the calling one included. */
  get threads(): number {
    return this.#threads.count;
  }

  /**
   * Shares the work of the calls that follow, in whatever memory, among so many threads; the others sleep.
   * Changes no bit.
   */
  useThreads(count: number): void {
    this.#threads.use(count);
  }

  /** Milliseconds the calling thread has slept so far, waiting for others. */
  get sleptMs(): number {
    return this.#threads.sleptMs;
  }

  /**
   * Runs a kernel over all its units of work, shared among the threads in contiguous ranges.
   * @param work the arguments before `(begin, end, scratch)`
   */
  split<Name extends SplitKernel>(name: Name, units: number, ...work: KernelWork<Name>): void {
    if (this.#threads.share(this.#place, name, units, work)) return;
    (this.#run[name] as (...args: number[]) => void)(...work, 0, units, this.#scratch);
  }

  /** Views of linear memory; never kept across a change of model, cheap to make. */
  f32(pointer: Pointer, length: number): Float32Array<ArrayBuffer> {
    return new Float32Array(this.memory.buffer as ArrayBuffer, pointer, length);
  }
  f64(pointer: Pointer, length: number): Float64Array<ArrayBuffer> {
    return new Float64Array(this.memory.buffer as ArrayBuffer, pointer, length);
  }
  i32(pointer: Pointer, length: number): Int32Array<ArrayBuffer> {
    return new Int32Array(this.memory.buffer as ArrayBuffer, pointer, length);
  }
  i8(pointer: Pointer, length: number): Int8Array<ArrayBuffer> {
    return new Int8Array(this.memory.buffer as ArrayBuffer, pointer, length);
  }
  u8(pointer: Pointer, length: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.memory.buffer as ArrayBuffer, pointer, length);
  }

  /**
   * Ends the threads, those of other memories too, and lets go of this memory. What is called afterwards
   * throws a DisposedError.
   */
  dispose(): Promise<void> {
    return (this.#disposal ??= this.#end());
  }

  async #end(): Promise<void> {
    const ended = this.#threads.end();
    this.#run = DISPOSED;
    this.#memory = undefined;
    await ended;
  }
}
