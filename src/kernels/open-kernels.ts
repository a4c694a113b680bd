/** Memory as it was planned, the kernels over it, and their threads. */
import type { Host } from "../host/host.ts";
import { instantiateKernels, Kernels } from "./kernels.ts";
import type { MemoryPlan } from "./memory-plan.ts";
import type { Pointer } from "./pointer.ts";
import { ThreadPool } from "./thread-pool.ts";

export interface PlannedKernels {
  readonly plan: MemoryPlan;
  /** As in `instantiateKernels`. */
  readonly modules: readonly WebAssembly.Module[];
  readonly shared: boolean;
  readonly board: Pointer;
  /** One region per thread. */
  readonly scratch: readonly Pointer[];
  /** As in `PoolPlan`. */
  readonly poll?: number | undefined;
}

/**
 * Creates the planned memory and the kernels over it, and starts a pool if the plan has more than one thread.
 * The pool starts while weights are loaded; `threadsStarted` says when it is there.
 *
 * @throws CapabilityError if memory is refused
 */
export function openKernels(host: Host, { plan, modules, shared, board, scratch, poll }: PlannedKernels): Kernels {
  const memory = plan.createMemory(shared);
  const run = instantiateKernels(modules, memory);
  const pool =
    scratch.length > 1 && host.spawnWorker
      ? ThreadPool.start({ modules, memory, board, scratch, poll }, run, host.spawnWorker)
      : undefined;
  return new Kernels(run, memory, scratch[0]!, pool);
}
