/**
 * An output folder of files the browser keeps, in memory or on its disk as it sees fit: a page has no paths.
 */
import type { OutputFolder } from "fptq";

/** Larger pieces are handed to the browser, so that no more than this is on JavaScript's heap. */
const PIECE_BYTES = 4 * 2 ** 20;

export class BlobFolder implements OutputFolder {
  readonly name: string;
  readonly #files = new Map<string, File>();

  constructor(name: string) {
    this.name = name;
  }

  /** Those that were closed. */
  get files(): readonly File[] {
    return [...this.#files.values()];
  }

  create(fileName: string): ReturnType<OutputFolder["create"]> {
    const blobs: Blob[] = [];
    let piece: Uint8Array<ArrayBuffer>[] = [];
    let pieceBytes = 0;
    const flush = () => {
      if (pieceBytes > 0) blobs.push(new Blob(piece));
      piece = [];
      pieceBytes = 0;
    };
    return Promise.resolve({
      write: async (data) => {
        piece.push(new Uint8Array(data));
        pieceBytes += data.length;
        if (pieceBytes >= PIECE_BYTES) flush();
      },
      close: async () => {
        flush();
        this.#files.set(fileName, new File(blobs, fileName));
      },
    });
  }

  commit(): Promise<void> {
    return Promise.resolve();
  }

  discard(): Promise<void> {
    this.#files.clear();
    return Promise.resolve();
  }
}
