import type { OutputFile } from "../../src/checkpoint/byte-source.ts";

/** A file written to memory. */
export class MemoryOutputFile implements OutputFile {
  readonly name: string;
  readonly #parts: Uint8Array[] = [];
  state: "open" | "committed" | "discarded" = "open";
  free: number | undefined;

  constructor(name = "memory.gguf") {
    this.name = name;
  }

  write(data: Uint8Array): Promise<void> {
    this.#parts.push(data.slice());
    return Promise.resolve();
  }

  commit(): Promise<void> {
    this.state = "committed";
    return Promise.resolve();
  }

  discard(): Promise<void> {
    this.state = "discarded";
    return Promise.resolve();
  }

  freeBytes(): Promise<number | undefined> {
    return Promise.resolve(this.free);
  }

  get bytes(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.#parts));
  }
}
