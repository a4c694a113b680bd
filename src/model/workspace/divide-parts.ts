/** Which parts of a model lie in which memory. */
import { CapabilityError } from "../../errors.ts";

/** What has to be in one memory. */
export interface PartSize {
  /** For messages. */
  readonly name: string;
  readonly bytes: number;
}

/**
 * Divides parts among memories, in order, as many as fit in each: rows of a pass go from one memory to the
 * next as seldom as can be.
 *
 * @param room bytes that each memory has for them
 * @throws CapabilityError if a part is larger than that
 */
export function divideParts<Part extends PartSize>(parts: readonly Part[], room: number): Part[][] {
  const memories: Part[][] = [];
  let free = 0;
  for (const part of parts) {
    const { name, bytes } = part;
    if (bytes > room) {
      throw new CapabilityError(
        `${name}: needs ${bytes} bytes in one memory, which has room for ${room}; ` +
          "a smaller contextSize or fewer cacheTokens need less, and memoryLimit may allow more",
      );
    }
    if (memories.length === 0 || bytes > free) {
      memories.push([]);
      free = room;
    }
    memories.at(-1)!.push(part);
    free -= bytes;
  }
  return memories;
}
