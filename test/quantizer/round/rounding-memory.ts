/** Kernels over a memory of their own with the regions of GPTQ, for stages that are given both. */
import { instantiateKernels, Kernels } from "../../../src/kernels/kernels.ts";
import { MemoryPlan } from "../../../src/kernels/memory-plan.ts";
import { nodeHost } from "../../../src/host/node.ts";
import { type GptqMemory, gptqScratchBytes, placeGptq } from "../../../src/quantizer/round/rounding-memory.ts";

/** @param maxK largest in_features, also of a group */
export async function roundingMemory(maxK: number): Promise<GptqMemory> {
  const plan = new MemoryPlan();
  const regions = placeGptq(plan, maxK);
  const scratch = plan.reserve("scratch", gptqScratchBytes(maxK), "scratch");
  const memory = plan.createMemory(false);
  const modules = [await nodeHost.kernelModule("simd128"), await nodeHost.kernelModule("quantizer")];
  return { kernels: new Kernels(instantiateKernels(modules, memory), memory, scratch), regions };
}
