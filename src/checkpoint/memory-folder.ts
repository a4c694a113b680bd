/** A folder in memory: a checkpoint that is read again before it is written where it belongs. */
import { CheckpointError } from "../errors.ts";
import type { ByteSource, Folder, OutputFolder } from "./byte-source.ts";

export class MemoryFolder implements OutputFolder, Folder {
  readonly name: string;
  readonly #files = new Map<string, Uint8Array[]>();

  constructor(name: string) {
    this.name = name;
  }

  create(fileName: string): ReturnType<OutputFolder["create"]> {
    const pieces: Uint8Array[] = [];
    this.#files.set(fileName, pieces);
    return Promise.resolve({
      write: (data: Uint8Array) => {
        pieces.push(data.slice());
        return Promise.resolve();
      },
      close: () => Promise.resolve(),
    });
  }

  commit(): Promise<void> {
    return Promise.resolve();
  }

  discard(): Promise<void> {
    this.#files.clear();
    return Promise.resolve();
  }

  list(): Promise<string[]> {
    return Promise.resolve([...this.#files.keys()]);
  }

  open(fileName: string): Promise<ByteSource> {
    const pieces = this.#files.get(fileName);
    if (!pieces) return Promise.reject(new CheckpointError(`${this.name}: ${fileName} is missing`));
    const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
    let end = 0;
    for (const piece of pieces) {
      bytes.set(piece, end);
      end += piece.length;
    }
    this.#files.set(fileName, [bytes]);
    return Promise.resolve({
      name: `${this.name}/${fileName}`,
      size: bytes.length,
      read: (offset: number, length: number) => Promise.resolve(bytes.slice(offset, offset + length)),
      close: () => Promise.resolve(),
    });
  }
}
