/** Folders in memory, which also watch how they are used. */
import type { ByteSource, Folder, OutputFolder } from "../src/checkpoint/byte-source.ts";
import { CheckpointError } from "../src/errors.ts";

/** A file in memory. Reading outside it is a plain error: code that is told the size has no excuse. */
export class MemoryFile implements ByteSource {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Sum of the lengths of all reads. */
  requestedBytes = 0;
  /** Opened and not closed. */
  openCount = 0;

  constructor(name: string, bytes: Uint8Array) {
    this.name = name;
    this.bytes = bytes;
  }

  get size(): number {
    return this.bytes.length;
  }

  read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    signal?.throwIfAborted();
    if (!(
      Number.isSafeInteger(offset) &&
      Number.isSafeInteger(length) &&
      offset >= 0 &&
      length >= 0 &&
      offset + length <= this.size
    )) {
      throw new Error(`${this.name}: read of ${length} bytes at ${offset} outside its ${this.size} bytes`);
    }
    this.requestedBytes += length;
    return Promise.resolve(this.bytes.slice(offset, offset + length));
  }

  close(): Promise<void> {
    this.openCount--;
    return Promise.resolve();
  }
}

export class MemoryFolder implements Folder {
  readonly name: string;
  readonly files = new Map<string, MemoryFile>();

  constructor(name: string, files: Iterable<readonly [string, Uint8Array | string]> = []) {
    this.name = name;
    for (const [fileName, content] of files) this.set(fileName, content);
  }

  set(fileName: string, content: Uint8Array | string): void {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    this.files.set(fileName, new MemoryFile(`${this.name}/${fileName}`, bytes));
  }

  bytes(fileName: string): Uint8Array {
    const file = this.files.get(fileName);
    if (!file) throw new Error(`${this.name}: no ${fileName}; there are ${[...this.files.keys()].join(", ")}`);
    return file.bytes;
  }

  json(fileName: string): Record<string, unknown> {
    return JSON.parse(new TextDecoder().decode(this.bytes(fileName))) as Record<string, unknown>;
  }

  /** The same files again, to be changed without changing these. */
  copy(): MemoryFolder {
    return new MemoryFolder(this.name, [...this.files].map(([name, { bytes }]) => [name, bytes.slice()] as const)); // prettier-ignore
  }

  get openCount(): number {
    return [...this.files.values()].reduce((sum, file) => sum + file.openCount, 0);
  }

  list(): Promise<string[]> {
    return Promise.resolve([...this.files.keys()]);
  }

  open(fileName: string): Promise<ByteSource> {
    const file = this.files.get(fileName);
    if (!file) return Promise.reject(new CheckpointError(`${this.name}: no ${fileName}`));
    file.openCount++;
    return Promise.resolve(file);
  }
}

/** What is written appears in `result` when it is committed. */
export class MemoryOutputFolder implements OutputFolder {
  readonly name: string;
  readonly result: MemoryFolder;
  state: "open" | "committed" | "discarded" = "open";
  readonly #pieces = new Map<string, Uint8Array[]>();
  readonly #open = new Set<string>();
  /** Most files open at one time. */
  maxOpen = 0;

  constructor(name: string) {
    this.name = name;
    this.result = new MemoryFolder(name);
  }

  create(fileName: string) {
    if (this.#pieces.has(fileName)) throw new Error(`${this.name}: ${fileName} created twice`);
    const pieces: Uint8Array[] = [];
    this.#pieces.set(fileName, pieces);
    this.#open.add(fileName);
    this.maxOpen = Math.max(this.maxOpen, this.#open.size);
    return Promise.resolve({
      write: (data: Uint8Array) => {
        if (!this.#open.has(fileName)) throw new Error(`${this.name}: ${fileName} written after close`);
        pieces.push(data.slice());
        return Promise.resolve();
      },
      close: () => {
        this.#open.delete(fileName);
        return Promise.resolve();
      },
    });
  }

  /** What is kept of unfinished work, by key; undefined as long as a test does not want it. */
  kept: Map<string, Uint8Array> | undefined;

  get unfinished(): OutputFolder["unfinished"] {
    const { kept, name } = this;
    return (
      kept &&
      ((key) => ({
        name: `${name}.unfinished-${key}`,
        read: () => Promise.resolve(kept.get(key)),
        write: (bytes) => Promise.resolve(void kept.set(key, bytes.slice())),
      }))
    );
  }

  commit(): Promise<void> {
    if (this.#open.size > 0) throw new Error(`${this.name}: still open: ${[...this.#open].join(", ")}`);
    for (const [fileName, pieces] of this.#pieces) {
      const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
      let offset = 0;
      for (const piece of pieces) {
        bytes.set(piece, offset);
        offset += piece.length;
      }
      this.result.set(fileName, bytes);
    }
    this.state = "committed";
    return Promise.resolve();
  }

  discard(): Promise<void> {
    this.state = "discarded";
    return Promise.resolve();
  }
}
