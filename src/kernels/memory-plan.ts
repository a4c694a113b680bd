/**
 * Who owns which bytes of linear memory, decided before the memory exists.
 *
 * Everything a model needs has a size known from its configuration, so one memory of exactly that size is
 * made: it never grows, views stay valid, and running out of memory happens at the start with the numbers in
 * the message.
 */
import { CapabilityError } from "../errors.ts";
import { offsetBy, type Pointer } from "./pointer.ts";

/**
 * The kernels' own static data lies below this address in every build, that of the second and third module
 * in a quarter each (`scripts/build-kernels.ts`).
 */
export const STATIC_DATA_BYTES = 65_536;
const PAGE_BYTES = 65_536;
/** Kernels may read, never write, this far past the end of the last region. */
const TAIL_PAD_BYTES = 64;
/** A cache line: no two regions share one, so threads writing to neighbours do not contend. */
const ALIGNMENT = 64;
const MAX_BYTES = 2 ** 32 - PAGE_BYTES;

export type RegionKind = "weights" | "kvCache" | "scratch";

export class MemoryPlan {
  #end = STATIC_DATA_BYTES as Pointer;
  readonly #byKind: Record<RegionKind, number> = { weights: 0, kvCache: 0, scratch: 0 };

  /**
   * Reserves a region.
   * @param bytes its size; 0 is allowed
   * @returns its address, a multiple of 64
   * @throws CapabilityError if the plan no longer fits a 32-bit memory
   */
  reserve(kind: RegionKind, bytes: number, what: string): Pointer {
    const pointer = this.#end;
    const padded = Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
    if (!(padded >= 0) || pointer + padded > MAX_BYTES) {
      throw new CapabilityError(
        `${what}: needs ${bytes} bytes on top of ${pointer} already planned; a 32-bit WebAssembly memory has at most ${MAX_BYTES}`,
      );
    }
    this.#end = offsetBy(pointer, padded);
    this.#byKind[kind] += padded;
    return pointer;
  }

  /** Bytes reserved for each kind so far. */
  bytes(): Readonly<Record<RegionKind, number>> {
    return { ...this.#byKind };
  }

  /** Pages of 64 KiB a memory needs to hold the plan. */
  get pages(): number {
    return Math.ceil((this.#end + TAIL_PAD_BYTES) / PAGE_BYTES);
  }

  /**
   * The memory this plan describes.
   * @throws CapabilityError naming the bytes needed and the bytes there are, if the runtime has no room for
   *   it
   */
  createMemory(shared: boolean): WebAssembly.Memory {
    try {
      return memoryOf(this.pages, shared);
    } catch (cause) {
      const kind = shared ? " of shared memory" : "";
      const available = largestMemory(this.pages * PAGE_BYTES, shared);
      const advice =
        available > 0
          ? "a smaller contextSize needs less"
          : "engines reserve several GiB of addresses for any memory: does a limit on this process (ulimit -v) leave too few?";
      throw new CapabilityError(
        `memory: needs ${this.pages * PAGE_BYTES} bytes${kind}, about ${available} are available; ${advice}`,
        { cause },
      );
    }
  }
}

/** @throws RangeError if the runtime has no room for it */
function memoryOf(pages: number, shared: boolean): WebAssembly.Memory {
  return new WebAssembly.Memory({ initial: pages, maximum: shared ? pages : undefined, shared } as WebAssembly.MemoryDescriptor);
}

/** Bytes a 32-bit memory can have at most. */
export const ADDRESSABLE_BYTES = 2 ** 32;

/**
 * Bytes of the largest memory the runtime grants now, up to `mostBytes` and to a sixteenth of that: no
 * runtime says it without being tried. 0 if it grants none.
 */
export function largestMemory(mostBytes: number, shared: boolean): number {
  const most = Math.floor(mostBytes / PAGE_BYTES);
  const step = Math.max(1, Math.floor(most / 16));
  for (let pages = most; pages > 0; pages -= step) {
    try {
      memoryOf(pages, shared);
      return pages * PAGE_BYTES;
    } catch {
      // Not that much either.
    }
  }
  return 0;
}
