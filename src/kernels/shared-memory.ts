/**
 * A kernel build over shared memory, made from the build over memory of one thread.
 *
 * Kernels use no atomic instruction, so the compiler emits the same code for either memory; only the type of
 * the imported memory differs: `(memory 0)` or `(memory 0 65536 shared)`. One file serves both, and the
 * package holds half as many.
 */
import { CapabilityError } from "../errors.ts";

const MAGIC = [0x00, 0x61, 0x73, 0x6d]; // "\0asm"
/**
 * WebAssembly core specification, 5.5.5 and 5.3.8: the import section, an import of a memory, and the flags
 * of its limits.
 */
const IMPORT_SECTION = 2;
const MEMORY = 2;
const NO_MAXIMUM = 0x00;
const SHARED_WITH_MAXIMUM = 0x03;
/**
 * 65536 pages in LEB128, all a 32-bit memory can have: a memory of any smaller maximum can be imported too.
 */
const MOST_PAGES = [0x80, 0x80, 0x04];

/**
 * @param module a build whose only import is a memory without a maximum
 * @returns the same build for a shared memory
 * @throws CapabilityError if the bytes are no such module
 */
export function forSharedMemory(module: Uint8Array): Uint8Array<ArrayBuffer> {
  if (MAGIC.some((byte, i) => module[i] !== byte)) throw foreign();
  const reader = new Reader(module, 8);
  for (;;) {
    const section = reader.at;
    const [id, length] = [reader.byte(), reader.number()];
    const [content, end] = [reader.at, reader.at + length];
    if (id !== IMPORT_SECTION) {
      reader.skip(length);
      continue;
    }
    const imports = reader.number();
    for (const _ of ["the importing name", "its field"]) reader.skip(reader.number());
    const kind = reader.byte();
    const flags = reader.at;
    const plain = reader.byte() === NO_MAXIMUM;
    reader.number(); // least pages
    if (imports !== 1 || kind !== MEMORY || !plain || reader.at !== end) throw foreign();
    return joined([
      module.subarray(0, section),
      [IMPORT_SECTION, ...leb128(length + MOST_PAGES.length)],
      module.subarray(content, flags),
      [SHARED_WITH_MAXIMUM],
      module.subarray(flags + 1, end),
      MOST_PAGES,
      module.subarray(end),
    ]);
  }
}

function joined(parts: readonly ArrayLike<number>[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

class Reader {
  at: number;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.at = at;
  }

  byte(): number {
    if (this.at >= this.#bytes.length) throw foreign();
    return this.#bytes[this.at++]!;
  }

  /** An unsigned LEB128 of at most 32 bits. */
  number(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw foreign();
  }

  skip(bytes: number): void {
    this.at += bytes;
  }
}

function leb128(value: number): number[] {
  const bytes = [];
  for (; value >= 0x80; value >>>= 7) bytes.push((value & 0x7f) | 0x80);
  return [...bytes, value];
}

function foreign(): CapabilityError {
  return new CapabilityError(
    "kernels: these bytes are no build of fptq: need a module whose only import is a memory without a maximum",
  );
}
