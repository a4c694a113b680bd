/**
 * How the core reads and writes bytes: capabilities a runtime supplies (`src/runtime/`), so that the core never asks where it runs.
 */

/** Random access to the bytes of one file. */
export interface ByteSource {
  /** For messages: the path or URL. */
  readonly name: string;
  /** Size in bytes. */
  readonly size: number;
  /**
   * The bytes `[offset, offset + length)`. Callers check the range against `size` first.
   * @throws CheckpointError if fewer bytes than that could be read
   */
  read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** A read-only folder of files. */
export interface Folder {
  /** For messages: the path or URL. */
  readonly name: string;
  /** File names in the folder itself, not below it. */
  list(): Promise<string[]>;
  /** @throws CheckpointError if there is no such file */
  open(fileName: string): Promise<ByteSource>;
}

/** What a path given by the user turned out to be. */
export type ModelLocation = { kind: "file"; file: ByteSource } | { kind: "folder"; folder: Folder };

/**
 * A folder being written. Nothing is visible under its final name before `commit`; `discard` leaves no trace.
 * Whatever stood under that name before stays whole until `commit`.
 */
export interface OutputFolder {
  /** For messages: the final path. */
  readonly name: string;
  /** A new file, filled in order. `write` may be called many times; the data may be reused by the caller after it resolves. */
  create(fileName: string): Promise<{ write(data: Uint8Array): Promise<void>; close(): Promise<void> }>;
  commit(): Promise<void>;
  discard(): Promise<void>;
}

/** The whole of a small text file. @throws CheckpointError if it is larger than `limitBytes` */
export async function readText(source: ByteSource, limitBytes: number, tooLarge: (message: string) => Error): Promise<string> {
  if (source.size > limitBytes) throw tooLarge(`${source.name}: ${source.size} bytes, at most ${limitBytes} expected`);
  return new TextDecoder("utf-8", { fatal: false }).decode(await source.read(0, source.size));
}
