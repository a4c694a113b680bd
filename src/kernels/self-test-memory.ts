/**
 * What the problems of self-tests are made of: kernels over a small memory, operands from a fixed sequence,
 * and one number for all results.
 */
import type { KernelExports } from "./kernel-table.ts";
import { instantiateKernels } from "./kernels.ts";
import { STATIC_DATA_BYTES } from "./memory-plan.ts";
import { offsetBy, type Pointer } from "./pointer.ts";

const PAGES = 8;
/** Results of modules already tested, by the last of them: a module's code does not change. */
const tested = new WeakMap<WebAssembly.Module, boolean>();

/**
 * Whether the last of some modules passes a test, which runs once for each. A trap, a module that cannot be
 * instantiated or one that has no kernel counts as no.
 */
export function passesOnce(modules: readonly WebAssembly.Module[], test: () => boolean): boolean {
  const module = modules.at(-1)!;
  let passes = tested.get(module);
  if (passes === undefined) {
    try {
      passes = WebAssembly.Module.exports(module).length > 0 && test();
    } catch {
      passes = false;
    }
    tested.set(module, passes);
  }
  return passes;
}

/** Rows of GEMMs: every tile of any build runs, from one row to six, over packed groups from two to four. */
export const ROWS: readonly number[] = [1, 2, 5, 8, 13];

export class TestMemory {
  digest = 0x811c9dc5;
  readonly run: KernelExports;
  readonly memory: WebAssembly.Memory;
  /** Where the next region begins; set back to give regions up. */
  end = STATIC_DATA_BYTES as Pointer;
  #state = 1;

  constructor(modules: readonly WebAssembly.Module[], shared: boolean) {
    this.memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES, shared } as WebAssembly.MemoryDescriptor);
    this.run = instantiateKernels(modules, this.memory);
  }

  /** M rows of K activations of all values, their scales, and sums of each `groupSize`. */
  rows(M: number, K: number, groupSize: number): [q: Pointer, scales: Pointer, sums: Pointer] {
    const q = this.words((M * K) / 4);
    const scales = this.floats(M);
    const groups = (M * K) / groupSize;
    const sums = this.reserve(4 * groups);
    const values = new Int8Array(this.memory.buffer, q, M * K);
    // The first row at both ends of the range, where a saturating sum of two products would show.
    values.fill(-128, 0, K / 2).fill(127, K / 2, K);
    const out = new Int32Array(this.memory.buffer, sums, groups);
    out.fill(0);
    values.forEach((value, i) => (out[Math.floor(i / groupSize)]! -= 8 * value));
    return [q, scales, sums];
  }

  /** Bytes at a cache line. */
  reserve(bytes: number): Pointer {
    const pointer = this.end;
    this.end = offsetBy(pointer, (bytes + 63) & ~63);
    return pointer;
  }

  /** Pseudorandom words (xorshift32). */
  words(count: number): Pointer {
    const pointer = this.reserve(4 * count);
    const words = new Uint32Array(this.memory.buffer, pointer, count);
    for (let i = 0; i < count; i++) words[i] = this.#next();
    return pointer;
  }

  /** Multiples of 1/64 in (-2, 2). */
  floats(count: number): Pointer {
    const pointer = this.reserve(4 * count);
    const floats = new Float32Array(this.memory.buffer, pointer, count);
    for (let i = 0; i < count; i++) floats[i] = ((this.#next() & 255) - 127.5) / 64;
    return pointer;
  }

  #next(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (this.#state = x >>> 0);
  }

  /** Takes `count` words of results into the digest (FNV-1a). */
  mix(pointer: Pointer, count: number): void {
    for (const word of new Uint32Array(this.memory.buffer, pointer, count)) {
      this.digest = Math.imul(this.digest ^ word, 0x01000193) >>> 0;
    }
  }
}
