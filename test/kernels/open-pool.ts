/** A pool of threads over a memory of its own, without a model. */
import { BOARD_BYTES } from "../../src/kernels/job-board.ts";
import { instantiateKernels, Kernels } from "../../src/kernels/kernels.ts";
import { MemoryPlan } from "../../src/kernels/memory-plan.ts";
import type { Pointer } from "../../src/kernels/pointer.ts";
import { ThreadPool } from "../../src/kernels/thread-pool.ts";
import { nodeHost } from "../../src/host/node.ts";
import type { Host } from "../../src/host/host.ts";

const DATA_BYTES = 65_536;

/** Threads that are being started, and 64 KiB for operands. */
export async function openPool(
  threads: number,
  spawnWorker: NonNullable<Host["spawnWorker"]>,
  { limitMs, poll }: { limitMs?: number; poll?: number } = {},
): Promise<{ kernels: Kernels; data: Pointer }> {
  const plan = new MemoryPlan();
  const board = plan.reserve("scratch", BOARD_BYTES, "board");
  const scratch = Array.from({ length: threads }, () => plan.reserve("scratch", 0, "scratch"));
  const data = plan.reserve("scratch", DATA_BYTES, "data");
  const memory = plan.createMemory(true);
  const modules = [await nodeHost.kernelModule("simd128-threads")];
  const run = instantiateKernels(modules, memory);
  const pool = ThreadPool.start({ modules, memory, board, scratch, poll }, run, spawnWorker, limitMs);
  return { kernels: new Kernels(run, memory, scratch[0]!, pool), data };
}
