/**
 * The ways the core reads and writes bytes: capabilities a runtime supplies (`src/host/`), so that the core
 * never asks where it runs.
 */

/** Random access to the bytes of one file. */
export interface ByteSource {
  /** The path or URL, for messages. */
  readonly name: string;
  /** Size in bytes. */
  readonly size: number;
  /**
   * The bytes `[offset, offset + length)`. Callers check the range against `size` first.
   * @throws CheckpointError if fewer bytes than that could be read
   */
  read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array>;
  /**
   * Begins to find out the digest that `verify` compares, where that can be done beside other work.
   *
   * @param sha256 as `verify` will be given it
   */
  startVerifying?(sha256: string | undefined): void;
  /**
   * Compares all bytes with a digest; without one, with the digest the place it came from states, if any.
   *
   * @param sha256 lower-case hexadecimal
   * @throws CheckpointError naming the file if they differ, or it cannot be read
   */
  verify?(sha256: string | undefined, signal?: AbortSignal): Promise<void>;
  /** Lets go of the file; it is not read afterwards. */
  close(): Promise<void>;
}

/** A read-only folder of files. */
export interface Folder {
  /** The path or URL, for messages. */
  readonly name: string;
  /** File names in the folder itself, not below it. */
  list(): Promise<string[]>;
  /**
   * Opens a file of the folder, or one below it that is read: `FILES_BELOW` (`pooling.ts`).
   * @throws CheckpointError if there is no such file
   */
  open(fileName: string): Promise<ByteSource>;
}

/** A file that the user named, alone or among others. */
export interface LocatedFile {
  kind: "file";
  file: ByteSource;
  /**
   * Opens another file of the folder it is in, if there is such a folder.
   *
   * @param fileName spelled as the last part of the file's `name` is
   * @throws CheckpointError if there is no such file
   */
  openSibling?(this: void, fileName: string): Promise<ByteSource>;
}

/** The file or folder that a path, URL or name given by the user stands for. */
export type ModelLocation = (LocatedFile | { kind: "folder"; folder: Folder }) & {
  /**
   * For a location behind a cache: forgets what was cached and has not been compared with a digest.
   * @returns whether some of it had been read, so that opening the location again may go better
   */
  forgetUnverified?(): Promise<boolean>;
};

/**
 * A folder being written. Nothing is visible under its final name before `commit`; `discard` leaves no trace.
 * Whatever stood under that name before stays whole until `commit`.
 */
export interface OutputFolder {
  /** The final path, for messages. */
  readonly name: string;
  /**
   * A new file, filled in order. `write` may be called many times; the data may be reused by the caller after
   * it resolves.
   */
  create(fileName: string): Promise<{ write(data: Uint8Array): Promise<void>; close(): Promise<void> }>;
  /** Makes the folder visible under its name, in place of what stood there. */
  commit(): Promise<void>;
  /** Removes what was written. */
  discard(): Promise<void>;
  /** Room that is left where the files go, where that can be found out. */
  freeBytes?(): Promise<number | undefined>;
  /**
   * A place for work of this key that is not done yet, beside the final path. It outlives `discard` and the
   * process; `commit` removes it. Absent where nothing does.
   *
   * @param key letters and digits
   */
  readonly unfinished?: ((key: string) => UnfinishedWork) | undefined;
}

/** A single file being written, visible under its name once it is whole; as `OutputFolder` otherwise. */
export interface OutputFile {
  /** The final path, for messages. */
  readonly name: string;
  /** The next bytes, which may be reused after it resolves. */
  write(data: Uint8Array): Promise<void>;
  /** Makes the file visible under its name, in place of what stood there. */
  commit(): Promise<void>;
  /** Removes what was written. */
  discard(): Promise<void>;
  /** Room that is left where the file goes, where that can be found out. */
  freeBytes?(): Promise<number | undefined>;
}

/** The state of long work, so that the same work can go on from it after an interruption. */
export interface UnfinishedWork {
  /** The path, for messages. */
  readonly name: string;
  /** What was written last; undefined if nothing was. */
  read(): Promise<Uint8Array | undefined>;
  /** Replaces that, all at once. @throws CapabilityError if it cannot be written */
  write(bytes: Uint8Array): Promise<void>;
}

/** The whole of a small text file. @throws CheckpointError if it is larger than `limitBytes` */
export async function readText(source: ByteSource, limitBytes: number, tooLarge: (message: string) => Error): Promise<string> {
  if (source.size > limitBytes) throw tooLarge(`${source.name}: got ${source.size} bytes, need at most ${limitBytes}`);
  return new TextDecoder("utf-8", { fatal: false }).decode(await source.read(0, source.size));
}
