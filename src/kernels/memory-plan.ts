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
/** Bytes a 32-bit memory can have at most. */
export const ADDRESSABLE_BYTES = 2 ** 32;
const MAX_BYTES = ADDRESSABLE_BYTES - PAGE_BYTES;

export type RegionKind = "weights" | "kvCache" | "scratch";

/** Bytes of several memories together. */
export function totalBytes(memories: readonly Readonly<Record<RegionKind, number>>[]): Record<RegionKind, number> {
  const sum = (kind: RegionKind) => memories.reduce((bytes, memory) => bytes + memory[kind], 0);
  return { weights: sum("weights"), kvCache: sum("kvCache"), scratch: sum("scratch") };
}

export class MemoryPlan {
  readonly #most: number;
  #end = STATIC_DATA_BYTES as Pointer;
  readonly #byKind: Record<RegionKind, number> = { weights: 0, kvCache: 0, scratch: 0 };

  /**
   * @param limit bytes the memory may have, if it is to have fewer than it could; Infinity for a plan that
   *   only says how much is needed
   */
  constructor(limit = ADDRESSABLE_BYTES) {
    const whole = Math.floor(limit / PAGE_BYTES) * PAGE_BYTES;
    this.#most = limit === Infinity ? limit : Math.min(MAX_BYTES, whole - TAIL_PAD_BYTES);
  }

  /**
   * Reserves a region.
   * @param bytes its size; 0 is allowed
   * @returns its address, a multiple of 64
   * @throws CapabilityError if the plan no longer fits the memory
   */
  reserve(kind: RegionKind, bytes: number, what: string): Pointer {
    const pointer = this.#end;
    const padded = Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
    if (!(padded >= 0) || pointer + padded > this.#most) {
      const has = this.#most < MAX_BYTES ? "this memory" : "a 32-bit WebAssembly memory";
      throw new CapabilityError(
        `${what}: needs ${bytes} bytes on top of ${pointer} already planned; ${has} has at most ${this.#most}`,
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

  /** Bytes that can be reserved still. */
  get free(): number {
    return this.#most - this.#end;
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
      const bytes = this.pages * PAGE_BYTES;
      const available = largestMemory(bytes, shared);
      // Phones often refuse the one and not the other.
      if (shared && largestMemory(bytes, false) === bytes) {
        const problem = `memory: needs ${bytes} bytes of shared memory, about ${available} are available`;
        throw new CapabilityError(`${problem}; with threads: 1 memory need not be shared, and there is enough`, { cause });
      }
      const advice =
        available > 0
          ? "a smaller contextSize needs less, and with a smaller memoryLimit it is asked for in pieces"
          : "engines reserve several GiB of addresses for any memory: does a limit on this process (ulimit -v) leave too few?";
      throw new CapabilityError(`memory: needs ${bytes} bytes${kind}, about ${available} are available; ${advice}`, { cause });
    }
  }
}

/** @throws RangeError if the runtime has no room for it */
function memoryOf(pages: number, shared: boolean): WebAssembly.Memory {
  return new WebAssembly.Memory({ initial: pages, maximum: shared ? pages : undefined, shared } as WebAssembly.MemoryDescriptor);
}

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
