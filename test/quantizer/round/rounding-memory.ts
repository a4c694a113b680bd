/** Kernels over a memory of their own with the regions of GPTQ, for stages that are given both. */
import { instantiateKernels, Kernels } from "../../../src/kernels/kernels.ts";
import { STATIC_DATA_BYTES } from "../../../src/kernels/memory-plan.ts";
import type { Pointer } from "../../../src/kernels/pointer.ts";
import { gptqScratchBytes, type GptqRegions, placeGptq, RegionCursor } from "../../../src/quantizer/round/rounding-memory.ts";
import { nodeHost } from "../../../src/host/node.ts";

/** @param maxK largest in_features, also of a group */
export async function roundingMemory(maxK: number): Promise<{ kernels: Kernels; regions: GptqRegions }> {
  const cursor = new RegionCursor(STATIC_DATA_BYTES as Pointer);
  const regions = placeGptq(cursor, maxK);
  const scratch = cursor.take(gptqScratchBytes(maxK));
  const memory = new WebAssembly.Memory({ initial: Math.ceil(cursor.end / 65_536) + 1 });
  const modules = [await nodeHost.kernelModule("simd128"), await nodeHost.kernelModule("quantizer")];
  return { kernels: new Kernels(instantiateKernels(modules, memory), memory, scratch), regions };
}
