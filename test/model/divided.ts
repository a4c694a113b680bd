/** Limits under which a model is divided among so many memories. */
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import { CapabilityError } from "../../src/errors.ts";
import { nodeHost } from "../../src/host/node.ts";
import type { LoadOptions } from "../../src/model/load-options.ts";
import { memoryNeeded } from "../../src/model/plan-model.ts";

const PAGE_BYTES = 65_536;

/**
 * The largest limit of a memory with which a model takes `memories` of them.
 * @throws Error if there is none: the next smaller number of pages has no room for a layer, or gives more
 */
export async function limitFor(checkpoint: Checkpoint, options: LoadOptions, memories: number): Promise<number> {
  const taken = async (pages: number): Promise<number> => {
    try {
      return (await memoryNeeded(checkpoint, nodeHost, { ...options, memoryLimit: pages * PAGE_BYTES })).memories;
    } catch (error) {
      if (error instanceof CapabilityError) return Infinity;
      throw error;
    }
  };
  const { weights, kvCache, scratch } = (await memoryNeeded(checkpoint, nodeHost, options)).bytes;
  let [few, enough] = [1, Math.ceil((weights + kvCache + scratch) / PAGE_BYTES) + 2];
  // From `enough` pages on fewer memories do.
  while (enough - few > 1) {
    const middle = Math.floor((few + enough) / 2);
    if ((await taken(middle)) >= memories) few = middle;
    else enough = middle;
  }
  if ((await taken(few)) !== memories) throw new Error(`${checkpoint.name}: no limit divides it among ${memories} memories`);
  return few * PAGE_BYTES;
}
