/** Files and folders through `node:fs`, for Node, Deno and Bun. */
import { createHash, randomBytes } from "node:crypto";
import { type FileHandle, mkdir, open, readdir, realpath, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import type { ByteSource, Folder, ModelLocation, OutputFolder } from "../../checkpoint/byte-source.ts";
import { CapabilityError, CheckpointError, OptionError, throwIfAborted } from "../../errors.ts";
import { standsForFolder } from "../../sources/file-url.ts";
import { hubNameHint } from "../../sources/hub.ts";
import { pathOf } from "./node-paths.ts";

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
  return { kind: "file", file: await openFile(path) };
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
      if (basename(fileName) !== fileName || fileName === "..") {
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
    return new OpenedFile(path, (await handle.stat()).size, handle);
  } catch (error) {
    throw error instanceof CheckpointError ? error : unreadable(path, error);
  }
}

class OpenedFile implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly #handle: FileHandle;

  constructor(name: string, size: number, handle: FileHandle) {
    this.name = name;
    this.size = size;
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
      const { bytesRead } = await this.#handle.read(bytes, done, length - done, offset + done).catch((error: unknown) => {
        throw unreadable(this.name, error);
      });
      if (bytesRead === 0) {
        throw new CheckpointError(
          `${this.name}: got ${done} bytes at ${offset}, need ${length}: the file became shorter while it was read`,
        );
      }
      done += bytesRead;
    }
    return bytes;
  }

  async verify(sha256: string | undefined, signal?: AbortSignal): Promise<void> {
    if (sha256 === undefined) return;
    const hash = createHash("sha256");
    for (let offset = 0; offset < this.size; offset += VERIFIED_BYTES) {
      hash.update(await this.read(offset, Math.min(VERIFIED_BYTES, this.size - offset), signal));
    }
    const found = hash.digest("hex");
    if (found !== sha256)
      throw new CheckpointError(`${this.name}: got SHA-256 ${found}, need ${sha256}: damaged, or another file`);
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

/**
 * A folder that appears under its name all at once. Until `commit` its files are in a hidden sibling; with
 * `force`, a folder that stood there before stays whole until then, is moved aside in the same step, and is
 * removed last.
 *
 * @throws OptionError if something is in the way (an empty folder is not), or the parent cannot be written to
 */
export async function createOutputFolder(
  place: string | URL,
  { force = false }: { force?: boolean } = {},
): Promise<OutputFolder> {
  const path = pathOf(place, "output");
  // Through links, so that replacing a folder does not replace the link to it.
  const target = await realpath(path).catch(() => resolve(path));
  await checkReplaceable(path, target, force);
  try {
    await mkdir(dirname(target), { recursive: true });
    const partial = newSibling(target, "partial");
    await mkdir(partial);
    return new NodeOutputFolder(path, target, partial, force);
  } catch (error) {
    throw new OptionError(`${path}: cannot be written into ${dirname(target)}: ${messageOf(error)}`, { cause: error });
  }
}

class NodeOutputFolder implements OutputFolder {
  readonly name: string;
  readonly #target: string;
  readonly #partial: string;
  readonly #force: boolean;
  readonly #open = new Set<FileHandle>();

  constructor(name: string, target: string, partial: string, force: boolean) {
    this.name = name;
    this.#target = target;
    this.#partial = partial;
    this.#force = force;
  }

  async create(fileName: string) {
    if (basename(fileName) !== fileName || fileName === "..") {
      throw new CheckpointError(`${this.name}: file name: got "${fileName}", need the name of a file in this folder`);
    }
    const handle = await open(join(this.#partial, fileName), "wx").catch((error: unknown) => this.#unwritable(fileName, error));
    this.#open.add(handle);
    return {
      write: async (data: Uint8Array) => {
        for (let done = 0; done < data.length;) {
          const { bytesWritten } = await handle
            .write(data, done, data.length - done)
            .catch((error: unknown) => this.#unwritable(fileName, error));
          done += bytesWritten;
        }
      },
      close: async () => {
        await handle.sync().catch((error: unknown) => this.#unwritable(fileName, error));
        await handle.close();
        this.#open.delete(handle);
      },
    };
  }

  async commit(): Promise<void> {
    if (this.#open.size > 0) throw new CheckpointError(`${this.name}: got ${this.#open.size} files still open, need all closed`);
    await syncFolder(this.#partial);
    await checkReplaceable(this.name, this.#target, this.#force);
    // A name can be given to a folder only if it is free, so the old folder steps aside first and comes back
    // if that fails.
    const replaced = newSibling(this.#target, "replaced");
    const old = await rename(this.#target, replaced).then(
      () => true,
      (error: unknown) => (codeOf(error) === "ENOENT" ? false : this.#unwritable("", error)),
    );
    try {
      await rename(this.#partial, this.#target);
    } catch (error) {
      if (old) await rename(replaced, this.#target);
      this.#unwritable("", error);
    }
    await syncFolder(dirname(this.#target));
    if (old) await rm(replaced, { recursive: true, force: true });
  }

  async discard(): Promise<void> {
    for (const handle of this.#open) await handle.close();
    this.#open.clear();
    await rm(this.#partial, { recursive: true, force: true });
  }

  #unwritable(fileName: string, error: unknown): never {
    throw new CapabilityError(`${join(this.name, fileName)}: cannot be written: ${messageOf(error)}`, { cause: error });
  }
}

/**
 * Free, an empty folder, or with `force` a folder that looks like a model: it must not be a way to delete a
 * home directory.
 */
async function checkReplaceable(path: string, target: string, force: boolean): Promise<void> {
  const found = await stat(target).catch((error: unknown) => {
    if (codeOf(error) === "ENOENT") return undefined;
    throw new OptionError(`${path}: cannot be read: ${messageOf(error)}`, { cause: error });
  });
  if (!found) return;
  if (!found.isDirectory()) throw new OptionError(`${path}: got a file, need a folder or a free name`);
  const files = await readdir(target);
  if (files.length === 0) return;
  if (!force)
    throw new OptionError(
      `${path}: got a folder with files in it, need an empty one, a free name, or option force to replace it`,
    );
  if (!files.includes("config.json")) {
    throw new OptionError(
      `${path}: got a folder with other files, need one with config.json: only a model folder is replaced, remove this one yourself`,
    );
  }
}

/** `/a/b` -> `/a/.b.WHAT-`: hidden, beside the target, so that a rename never crosses file systems. */
function siblingPrefix(target: string, what: string): string {
  return join(dirname(target), `.${basename(target)}.${what}-`);
}

function newSibling(target: string, what: string): string {
  return siblingPrefix(target, what) + randomBytes(4).toString("hex");
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

/** Makes names durable. Some platforms cannot open a folder; there the rename alone has to do. */
async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, "r").catch(() => undefined);
  try {
    await handle?.sync().catch(() => undefined);
  } finally {
    await handle?.close();
  }
}

function unreadable(path: string, error: unknown): CheckpointError {
  const problem = codeOf(error) === "ENOENT" ? "got nothing, need a file" : `cannot be read: ${messageOf(error)}`;
  return new CheckpointError(`${path}: ${problem}`, { cause: error });
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
