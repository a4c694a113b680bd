/**
 * Kernels over a memory without a forward pass: for quantizing, where it needs some of them and a few
 * regions.
 */
import type { Work } from "../host/work.ts";
import { chooseKernels } from "../kernels/choose-kernels.ts";
import { BOARD_BYTES } from "../kernels/threads/job-board.ts";
import { kernelBuild } from "../kernels/kernel-build.ts";
import type { Kernels } from "../kernels/kernels.ts";
import { MemoryPlan } from "../kernels/memory-plan.ts";
import { openKernels } from "../kernels/open-kernels.ts";
import { resolveThreads } from "./load-options.ts";

/** Scratch of each thread: kernels that need more are for a workspace. */
const SCRATCH_BYTES = 64;

/**
 * Plans the memory, creates it, and waits for the threads.
 *
 * @param place plans what lies in it
 * @throws OptionError for a number of threads that cannot be; CapabilityError if a build or memory is refused
 */
export async function openKernelMemory<Placed>(
  work: Work,
  place: (plan: MemoryPlan) => Placed,
): Promise<{ kernels: Kernels; placed: Placed }> {
  const threads = resolveThreads(work, work.host);
  const shared = threads > 1;
  const chosen = await chooseKernels(work.host, shared);
  const modules = [...chosen.modules, await work.host.kernelModule(kernelBuild("quantizer", shared))];
  const plan = new MemoryPlan();
  const board = plan.reserve("scratch", BOARD_BYTES, "job board");
  const scratch = Array.from({ length: threads }, (_, thread) =>
    plan.reserve("scratch", SCRATCH_BYTES, `scratch of thread ${thread}`),
  );
  const placed = place(plan);
  const kernels = openKernels(work.host, { plan, modules, shared, board, scratch });
  await kernels.threadsStarted(work);
  return { kernels, placed };
}
