/** Memories as they were planned, the kernels over them, and the threads these share. */
import type { Host } from "../host/host.ts";
import { KernelThreads } from "./threads/kernel-threads.ts";
import { instantiateKernels, Kernels } from "./kernels.ts";
import type { MemoryPlan } from "./memory-plan.ts";
import type { Pointer } from "./pointer.ts";
import { ThreadPool } from "./threads/thread-pool.ts";

export interface PlannedMemory {
  readonly plan: MemoryPlan;
  /** One region per thread. */
  readonly scratch: readonly Pointer[];
}

/** What the kernels of all memories have in common. */
export interface KernelSetup {
  /** In the first memory. */
  readonly board: Pointer;
  /** As in `instantiateKernels`. */
  readonly modules: readonly WebAssembly.Module[];
  readonly shared: boolean;
  /** As in `PoolPlan`. */
  readonly poll?: number | undefined;
}

/**
 * Creates the planned memories and the kernels over each, and starts one pool for all if the plan has more
 * than one thread. The pool starts while weights are loaded; `threadsStarted` says when it is there.
 *
 * @throws CapabilityError if memory is refused
 */
export function openMemories(host: Host, planned: readonly PlannedMemory[], setup: KernelSetup): Kernels[] {
  const { board, modules, shared, poll } = setup;
  const memories = planned.map(({ plan, scratch }) => {
    const memory = plan.createMemory(shared);
    return { memory, run: instantiateKernels(modules, memory), scratch };
  });
  const pool =
    planned[0]!.scratch.length > 1 && host.spawnWorker
      ? ThreadPool.start({ modules, memories, board, poll }, host.spawnWorker)
      : undefined;
  const threads = new KernelThreads(pool);
  return memories.map(({ run, memory, scratch }, place) => new Kernels(run, memory, scratch[0]!, { threads, place }));
}

/** The same for one memory. */
export function openKernels(host: Host, memory: PlannedMemory & KernelSetup): Kernels {
  return openMemories(host, [memory], memory)[0]!;
}
