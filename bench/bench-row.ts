/** What a file of `bench/rows/` exports: `rows`, each one kernel on one shape. */
import { BOARD_BYTES } from "../src/kernels/threads/job-board.ts";
import { instantiateKernels, Kernels } from "../src/kernels/kernels.ts";
import { KernelThreads } from "../src/kernels/threads/kernel-threads.ts";
import type { KernelExports, KernelWork, SplitKernel } from "../src/kernels/kernel-table.ts";
import { STATIC_DATA_BYTES } from "../src/kernels/memory-plan.ts";
import type { Pointer } from "../src/kernels/pointer.ts";
import { ThreadPool } from "../src/kernels/threads/thread-pool.ts";
import { nodeHost } from "../src/host/node.ts";
import { mulberry32 } from "../test/random.ts";

export interface BenchRow {
  /**
   * Kernel, then shape: `gemv_qd8_f32_qb4w_1x8c4 smollm2-135m/qkv`. The filter argument looks for substrings
   * of it.
   */
  name: string;
  /** Whether its work is one `bench.split`, so that several threads can share it. */
  split?: true;
  /** Puts operands into a fresh memory; runs before the clock does. */
  prepare(bench: BenchMemory): BenchWork;
}

export interface BenchWork {
  run(): void;
  /** Multiply-accumulates of one run, where they are the work. */
  macs?: number;
  /**
   * Bytes of one run that come from memory once, where they are the work: packed weights, a cache, rows read
   * and written.
   */
  bytes?: number;
}

/** All that the largest row needs; a shared memory has to say so beforehand. */
const MOST_PAGES = 32_768;

/** Kernels over a memory of their own, which grows as regions are reserved. */
export class BenchMemory {
  readonly run: KernelExports;
  private readonly modules: readonly WebAssembly.Module[];
  private readonly threads: number;
  private readonly memory: WebAssembly.Memory;
  private readonly random = mulberry32(1);
  private end = STATIC_DATA_BYTES;
  private kernels: Kernels | undefined;

  /**
   * @param modules a build, those for kept weights and quantizing; for shared memory if threads are several
   */
  constructor(modules: readonly WebAssembly.Module[], threads = 1) {
    this.modules = modules;
    this.threads = threads;
    this.memory = new WebAssembly.Memory(threads > 1 ? { initial: 2, maximum: MOST_PAGES, shared: true } : { initial: 2 });
    this.run = instantiateKernels(modules, this.memory);
  }

  /** A call of a kernel whose units all threads share, as in a model. `prepare` is to call it last, once. */
  split<Name extends SplitKernel>(kernel: Name, units: number, scratchBytes: number, ...work: KernelWork<Name>): () => void {
    const { modules, memory, run, threads } = this;
    const board = this.reserve(BOARD_BYTES);
    const scratch = Array.from({ length: threads }, () => this.reserve(scratchBytes));
    const pool =
      threads > 1 ? ThreadPool.start({ modules, memories: [{ memory, run, scratch }], board }, nodeHost.spawnWorker!) : undefined;
    const kernels = (this.kernels = new Kernels(run, memory, scratch[0]!, { threads: new KernelThreads(pool), place: 0 }));
    return () => kernels.split(kernel, units, ...work);
  }

  /** Resolves when all threads take part. */
  async threadsStarted(): Promise<void> {
    await this.kernels?.threadsStarted();
  }

  /** Ends the threads. */
  async dispose(): Promise<void> {
    await this.kernels?.dispose();
  }

  /** `bytes` of zeros at a cache line. */
  reserve(bytes: number): Pointer {
    const pointer = ((this.end + 63) & ~63) as Pointer;
    this.end = pointer + bytes;
    const missing = this.end - this.memory.buffer.byteLength;
    if (missing > 0) this.memory.grow(Math.ceil(missing / 65536));
    return pointer;
  }

  /** f32[count], uniform in [center - 1, center + 1). */
  floats(count: number, center = 0): Pointer {
    const pointer = this.reserve(4 * count);
    const values = new Float32Array(this.memory.buffer, pointer, count);
    for (let i = 0; i < count; i++) values[i] = 2 * this.random() - 1 + center;
    return pointer;
  }

  /** binary16[count] between 2^-7 and 1: none is subnormal, with which processors take longer. */
  halves(count: number): Pointer {
    const pointer = this.reserve(2 * count);
    const values = new Uint16Array(this.memory.buffer, pointer, count);
    for (let i = 0; i < count; i++) values[i] = 0x2000 + 0x1c00 * this.random();
    return pointer;
  }

  /**
   * A row table (kernels/table/): of each sequence M rows from `position` on. Blocks are numbered as if
   * the sequences had grown together, so those of one sequence alone lie in order.
   */
  rows(sequences: number, M: number, position: number): Pointer {
    const blocks = Math.ceil((position + M) / 64);
    const tables = this.reserve(4 * sequences * blocks);
    const pointer = this.reserve(12 * sequences * M);
    const numbers = new Int32Array(this.memory.buffer, tables, sequences * blocks);
    const rows = new Int32Array(this.memory.buffer, pointer, 3 * sequences * M);
    for (let i = 0; i < sequences; i++) {
      for (let b = 0; b < blocks; b++) numbers[i * blocks + b] = b * sequences + i;
      for (let m = 0; m < M; m++) {
        rows.set([position + m, tables + 4 * i * blocks], 2 * (i * M + m));
        rows[2 * sequences * M + i * M + m] = position + m + 1;
      }
    }
    return pointer;
  }

  /** Views, valid until the memory grows. */
  f32(pointer: Pointer, length: number): Float32Array {
    return new Float32Array(this.memory.buffer, pointer, length);
  }

  i32(pointer: Pointer, length: number): Int32Array {
    return new Int32Array(this.memory.buffer, pointer, length);
  }

  f64(pointer: Pointer, length: number): Float64Array {
    return new Float64Array(this.memory.buffer, pointer, length);
  }

  /** Bytes of any value, from a short sequence repeated: their values do not change a kernel's time. */
  noise(bytes: number): Pointer {
    const pointer = this.reserve(bytes);
    const values = new Uint8Array(this.memory.buffer, pointer, bytes);
    const period = Math.min(bytes, 65536);
    for (let i = 0; i < period; i++) values[i] = 256 * this.random();
    for (let i = period; i < bytes; i += period) values.copyWithin(i, 0, Math.min(period, bytes - i));
    return pointer;
  }
}
