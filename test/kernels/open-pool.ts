/** A pool of threads over a memory of its own, without a model. */
import { BOARD_BYTES } from "../../src/kernels/threads/job-board.ts";
import { instantiateKernels, Kernels } from "../../src/kernels/kernels.ts";
import { KernelThreads } from "../../src/kernels/threads/kernel-threads.ts";
import { MemoryPlan } from "../../src/kernels/memory-plan.ts";
import type { Pointer } from "../../src/kernels/pointer.ts";
import { ThreadPool } from "../../src/kernels/threads/thread-pool.ts";
import { nodeHost } from "../../src/host/node.ts";
import type { Host } from "../../src/host/host.ts";

const DATA_BYTES = 65_536;

/** Threads that are being started, over one memory or several, each with 64 KiB for operands. */
export async function openPool(
  threads: number,
  spawnWorker: NonNullable<Host["spawnWorker"]>,
  { limitMs, poll, memories: count = 1 }: { limitMs?: number; poll?: number; memories?: number } = {},
): Promise<{ kernels: Kernels; data: Pointer; all: readonly Kernels[] }> {
  const plan = new MemoryPlan();
  const board = plan.reserve("scratch", BOARD_BYTES, "board");
  const scratch = Array.from({ length: threads }, () => plan.reserve("scratch", 0, "scratch"));
  const data = plan.reserve("scratch", DATA_BYTES, "data");
  const modules = [await nodeHost.kernelModule("simd128-threads")];
  const memories = Array.from({ length: count }, () => {
    const memory = plan.createMemory(true);
    return { memory, run: instantiateKernels(modules, memory), scratch };
  });
  const shared = new KernelThreads(ThreadPool.start({ modules, memories, board, poll }, spawnWorker, limitMs));
  const all = memories.map(({ run, memory }, place) => new Kernels(run, memory, scratch[0]!, { threads: shared, place }));
  return { kernels: all[0]!, data, all };
}
