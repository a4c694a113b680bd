/** Files and folders through `node:fs`, for Node, Deno and Bun. */
import { createHash } from "node:crypto";
import { readSync } from "node:fs";
import { type FileHandle, open, readdir, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import type { ByteSource, Folder, ModelLocation } from "../../checkpoint/byte-source.ts";
import { FILES_BELOW } from "../../checkpoint/pooling.ts";
import { CheckpointError, throwIfAborted, unlessAborted } from "../../errors.ts";
import { standsForFolder } from "../../sources/file-url.ts";
import { hubNameHint } from "../../sources/hub.ts";
import { digestAside, type FileIdentity, type PendingDigest } from "./node-digest-thread.ts";
import { siblingPrefix } from "./output/node-output-owner.ts";
import { pathOf } from "./node-paths.ts";
import { codeOf, messageOf } from "./system-error.ts";

/**
 * What is read without leaving the thread: a model has hundreds of scales of one number, and a way to another
 * thread and back takes fifty times as long as to read one.
 */
const SYNC_BYTES = 4096;
/** Bytes read at a time where a whole file is read. */
const VERIFIED_BYTES = 2 ** 20;

/**
 * A file or folder by its path or `file:` URL; the folder, by a file that every model folder has. Whether it
 * holds a model is found out by whoever opens it.
 *
 * @throws CheckpointError if there is nothing at the path, or it cannot be read; OptionError for a URL that
 *   is no path
 */
export async function openLocation(place: string | URL): Promise<ModelLocation> {
  const path = pathOf(place, "model");
  const found = await stat(path).catch(async (error: unknown) => {
    if (codeOf(error) !== "ENOENT") throw unreadable(path, error);
    throw new CheckpointError(
      `${path}: got nothing, need a file or folder${(await replacedHint(path)) || (await hubHint(path))}`,
      { cause: error },
    );
  });
  if (found.isDirectory()) return { kind: "folder", folder: openFolder(path) };
  if (standsForFolder(basename(path))) return { kind: "folder", folder: openFolder(dirname(path)) };
  return { kind: "file", file: await openFile(path), openSibling: (name) => openFile(join(dirname(path), name)) };
}

/** A folder read through `node:fs`. The path is not looked at before the first call. */
export function openFolder(path: string): Folder {
  return {
    name: path,
    async list() {
      try {
        const entries = await readdir(path, { withFileTypes: true });
        // The Hugging Face cache keeps its files elsewhere and links to them.
        return entries.filter((entry) => entry.isFile() || entry.isSymbolicLink()).map(({ name }) => name);
      } catch (error) {
        throw unreadable(path, error);
      }
    },
    async open(fileName) {
      if (!FILES_BELOW.has(fileName) && (basename(fileName) !== fileName || fileName === "..")) {
        throw new CheckpointError(`${path}: file name: got "${fileName}", need the name of a file in this folder`);
      }
      return openFile(join(path, fileName));
    },
  };
}

/**
 * @throws CheckpointError if it is missing, unreadable or no regular file (opening a pipe would wait for
 *   ever)
 */
export async function openFile(path: string): Promise<ByteSource> {
  try {
    if (!(await stat(path)).isFile()) throw new CheckpointError(`${path}: got something else, need a regular file`);
    const handle = await open(path, "r");
    const { size, dev, ino } = await handle.stat();
    return new OpenedFile({ path, size, dev, ino }, handle);
  } catch (error) {
    throw error instanceof CheckpointError ? error : unreadable(path, error);
  }
}

class OpenedFile implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly #file: FileIdentity;
  readonly #handle: FileHandle;
  #digest: PendingDigest | undefined;

  constructor(file: FileIdentity, handle: FileHandle) {
    this.name = file.path;
    this.size = file.size;
    this.#file = file;
    this.#handle = handle;
  }

  async read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    throwIfAborted(signal, `reading ${this.name}`);
    if (!(offset >= 0 && length >= 0 && offset + length <= this.size)) {
      throw new CheckpointError(
        `${this.name}: got a read of ${length} bytes at ${offset}, need one within the file's ${this.size}`,
      );
    }
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length;) {
      const bytesRead = await this.#readSome(bytes, done, offset + done);
      if (bytesRead === 0) {
        throw new CheckpointError(
          `${this.name}: got ${done} bytes at ${offset}, need ${length}: the file became shorter while it was read`,
        );
      }
      done += bytesRead;
    }
    return bytes;
  }

  /** Reads bytes to `bytes[begin..]`. @returns how many */
  async #readSome(bytes: Uint8Array, begin: number, position: number): Promise<number> {
    const length = bytes.length - begin;
    try {
      if (length <= SYNC_BYTES) return readSync(this.#handle.fd, bytes, begin, length, position);
      return (await this.#handle.read(bytes, begin, length, position)).bytesRead;
    } catch (error) {
      throw unreadable(this.name, error);
    }
  }

  startVerifying(sha256: string | undefined): void {
    if (sha256 !== undefined) this.#digest ??= digestAside(this.#file);
  }

  async verify(sha256: string | undefined, signal?: AbortSignal): Promise<void> {
    if (sha256 === undefined) return;
    const aside = this.#digest && (await unlessAborted(this.#digest.digest, signal, `reading ${this.name}`));
    const found = aside ?? (await this.#hash(signal));
    if (found !== sha256)
      throw new CheckpointError(`${this.name}: got SHA-256 ${found}, need ${sha256}: damaged, or another file`);
  }

  async #hash(signal: AbortSignal | undefined): Promise<string> {
    const hash = createHash("sha256");
    for (let offset = 0; offset < this.size; offset += VERIFIED_BYTES) {
      hash.update(await this.read(offset, Math.min(VERIFIED_BYTES, this.size - offset), signal));
    }
    return hash.digest("hex");
  }

  async close(): Promise<void> {
    this.#digest?.forget();
    await this.#handle.close();
  }
}

/** A crash between the two renames of a commit leaves the old folder under this name. */
async function replacedHint(path: string): Promise<string> {
  const prefix = basename(siblingPrefix(resolve(path), "replaced"));
  const siblings = await readdir(dirname(resolve(path))).catch(() => []);
  const left = siblings.find((name) => name.startsWith(prefix));
  return left === undefined ? "" : `; an interrupted replacement left the previous folder as ${join(dirname(path), left)}`;
}

/** A path that may be a name on the Hub: not one whose folder is there, where a file is missing. */
async function hubHint(path: string): Promise<string> {
  const hint = hubNameHint(path);
  const isThere = hint !== "" && (await stat(dirname(path)).catch(() => undefined)) !== undefined;
  return isThere ? "" : hint;
}

function unreadable(path: string, error: unknown): CheckpointError {
  const problem = codeOf(error) === "ENOENT" ? "got nothing, need a file" : `cannot be read: ${messageOf(error)}`;
  return new CheckpointError(`${path}: ${problem}`, { cause: error });
}
