/** Kernel builds instantiated over a memory, alone or with a pool of threads. */
import { CapabilityError } from "../errors.ts";
import { instantiateModules } from "./instantiate.ts";
import { type KernelExports, type KernelName, KERNELS, type KernelWork, moduleOf, type SplitKernel } from "./kernel-table.ts";
import { MemoryPlan } from "./memory-plan.ts";
import type { Pointer } from "./pointer.ts";
import type { ThreadPool } from "./thread-pool.ts";

/** In place of kernels that no module has: where only a part is needed, only that is loaded. */
const ABSENT = Object.fromEntries(
  (Object.keys(KERNELS) as KernelName[]).map((name) => [name, () => refuse(name)]),
) as unknown as KernelExports;

function refuse(name: KernelName): never {
  const needed = moduleOf(name) === "quantizer" ? "fptq/wasm/fptq-quantizer.wasm" : "a build of this version, fptq/wasm/*";
  throw new CapabilityError(`kernels: the modules given do not export ${name}; need ${needed}`);
}

/**
 * Instantiates modules over one memory.
 *
 * @param modules the build that runs models and, where something is quantized, the quantizer's
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
export function kernelSizes(module: WebAssembly.Module, shared: boolean): KernelExports {
  return instantiateKernels([module], new MemoryPlan().createMemory(shared));
}

export class Kernels {
  /** Kernels on the calling thread, not split. */
  readonly run: KernelExports;
  readonly memory: WebAssembly.Memory;
  readonly #scratch: Pointer;
  readonly #starting: Promise<void> | undefined;
  #pool: ThreadPool | undefined;

  /** @param starting a pool over the same memory; the kernels can be used before it is there */
  constructor(run: KernelExports, memory: WebAssembly.Memory, scratch: Pointer, starting?: Promise<ThreadPool>) {
    this.run = run;
    this.memory = memory;
    this.#scratch = scratch;
    this.#starting = starting?.then((pool) => {
      this.#pool = pool;
    });
    this.#starting?.catch(() => {}); // told by `threadsStarted`
  }

  /**
   * Resolves when the threads take part; until then all work runs on the calling one.
   * @throws CapabilityError if one did not start
   */
  async threadsStarted(): Promise<void> {
    await this.#starting;
  }

  /** Threads that take part in a split, the calling one included. */
  get threads(): number {
    return this.#pool ? this.#pool.threads : 1;
  }

  /**
   * Runs a kernel over all its units of work, shared among the threads in contiguous ranges.
   * @param work the arguments before `(begin, end, scratch)`
   */
  split<Name extends SplitKernel>(name: Name, units: number, ...work: KernelWork<Name>): void {
    if (this.#pool && units > 1) this.#pool.run(name, units, work);
    else (this.run[name] as (...args: number[]) => void)(...work, 0, units, this.#scratch);
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
  u8(pointer: Pointer, length: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.memory.buffer as ArrayBuffer, pointer, length);
  }

  async dispose(): Promise<void> {
    await this.#starting?.catch(() => {});
    await this.#pool?.end();
  }
}
