/** The folder a model is written to in Node, Deno and Bun. */
import { randomBytes } from "node:crypto";
import { type FileHandle, mkdir, open, readdir, readlink, realpath, rename, rm, rmdir, stat, statfs } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import type { OutputFolder, UnfinishedWork } from "../../../checkpoint/byte-source.ts";
import { CapabilityError, CheckpointError, OptionError } from "../../../errors.ts";
import { newSibling, ownedSibling, removeAbandoned } from "./node-output-owner.ts";
import { pathOf } from "../node-paths.ts";
import { NodeUnfinishedWork } from "./node-unfinished-work.ts";
import { codeOf, messageOf } from "../system-error.ts";

export interface OutputFolderOptions {
  /** Replace a model folder that is there. */
  readonly force?: boolean;
  readonly onWarning?: ((message: string) => void) | undefined;
}

/**
 * A folder that appears under its name all at once. Until `commit` its files are in a hidden sibling; with
 * `force`, a folder that stood there before stays whole until then, is moved aside in the same step, and is
 * removed last. What killed processes left beside it is removed first, with a warning.
 *
 * @param place path or `file:` URL
 * @throws OptionError if something is in the way (an empty folder is not), or the parent cannot be written to
 */
export async function createOutputFolder(place: string | URL, options: OutputFolderOptions = {}): Promise<OutputFolder> {
  const path = pathOf(place, "output");
  const { force = false, onWarning } = options;
  const target = await throughLinks(path);
  await checkReplaceable(path, target, force);
  for (const what of ["partial", "saving"]) await removeAbandoned(target, what, onWarning);
  let made: string | undefined;
  try {
    made = await mkdir(dirname(target), { recursive: true });
    const partial = await ownedSibling(target, "partial");
    await mkdir(partial);
    return new NodeOutputFolder({ path, target, partial, made, force, onWarning });
  } catch (error) {
    await removeMade(target, made);
    throw new OptionError(`${path}: cannot be written into ${dirname(target)}: ${messageOf(error)}`, { cause: error });
  }
}

/**
 * The path without links, so that replacing a folder does not replace the link to it.
 *
 * @throws OptionError for a link to nothing: what it leads to may be a disk that is not there, and writing in
 *   its place would lose the link
 */
export async function throughLinks(path: string): Promise<string> {
  const real = await realpath(path).catch(() => undefined);
  if (real !== undefined) return real;
  const own = join(dirname(path), basename(path));
  const link = await readlink(own).catch(() => undefined);
  if (link !== undefined) {
    throw new OptionError(
      `${path}: got a link to ${link}, which does not exist, need a folder or a free name: make that folder, or remove the link`,
    );
  }
  return join(await realpath(dirname(path)).catch(() => resolve(dirname(path))), basename(path));
}

/** Removes the folders above a target that were made for it, as far as they are empty. */
export async function removeMade(target: string, made: string | undefined): Promise<void> {
  if (made === undefined || !target.startsWith(made)) return;
  for (let folder = dirname(target); folder.startsWith(made); folder = dirname(folder)) {
    const removed = await rmdir(folder).then(
      () => true,
      () => false,
    );
    if (!removed) return;
  }
}

interface Places {
  /** As the user wrote it. */
  readonly path: string;
  readonly target: string;
  /** The hidden folder files are in until they are whole. */
  readonly partial: string;
  /** The topmost folder that was made above the target. */
  readonly made: string | undefined;
  readonly force: boolean;
  readonly onWarning: ((message: string) => void) | undefined;
}

class NodeOutputFolder implements OutputFolder {
  readonly name: string;
  readonly #places: Places;
  readonly #open = new Set<FileHandle>();
  readonly #unfinished: NodeUnfinishedWork[] = [];

  constructor(places: Places) {
    this.name = places.path;
    this.#places = places;
  }

  async create(fileName: string) {
    if (basename(fileName) !== fileName || fileName === "..") {
      throw new CheckpointError(`${this.name}: file name: got "${fileName}", need the name of a file in this folder`);
    }
    const handle = await open(join(this.#places.partial, fileName), "wx").catch((error: unknown) =>
      this.#unwritable(fileName, error),
    );
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

  async freeBytes(): Promise<number | undefined> {
    const found = await statfs(this.#places.partial).catch(() => undefined);
    return found && found.bavail * found.bsize;
  }

  /** @throws OptionError if something is in the way by now; what was written stays then, and it says where */
  async commit(): Promise<void> {
    if (this.#open.size > 0) throw new CheckpointError(`${this.name}: got ${this.#open.size} files still open, need all closed`);
    const { target, partial, force } = this.#places;
    await syncFolder(partial);
    try {
      await checkReplaceable(this.name, target, force);
      await this.#replace();
    } catch (error) {
      throw await this.#keepFinished(error);
    }
    await syncFolder(dirname(target));
    for (const work of this.#unfinished) await work.remove();
  }

  readonly unfinished = (key: string): UnfinishedWork => {
    const { target, onWarning } = this.#places;
    const work = new NodeUnfinishedWork(target, key, onWarning);
    this.#unfinished.push(work);
    return work;
  };

  /**
   * A name can be given to a folder only if it is free, so the old folder steps aside first and comes back if
   * that fails.
   */
  async #replace(): Promise<void> {
    const { target, partial, onWarning } = this.#places;
    const replaced = newSibling(target, "replaced");
    const old = await rename(target, replaced).then(
      () => true,
      (error: unknown) => (codeOf(error) === "ENOENT" ? false : this.#unwritable("", error)),
    );
    try {
      await rename(partial, target);
    } catch (error) {
      if (old) await rename(replaced, target);
      this.#unwritable("", error);
    }
    if (!old) return;
    await rm(replaced, { recursive: true, force: true }).catch((error: unknown) =>
      onWarning?.(
        `output: ${this.name} is written; the folder it replaces, now ${replaced}, cannot be removed: ${messageOf(error)}`,
      ),
    );
  }

  /** Hours of work are not thrown away because its name was taken meanwhile. */
  async #keepFinished(error: unknown): Promise<unknown> {
    const { target, partial } = this.#places;
    const finished = `${target}.finished-${randomBytes(4).toString("hex")}`;
    const kept = await rename(partial, finished).then(
      () => true,
      () => false,
    );
    const message = `${messageOf(error)}; the finished model is ${finished}`;
    if (!kept) return error;
    return error instanceof OptionError
      ? new OptionError(message, { cause: error })
      : new CapabilityError(message, { cause: error });
  }

  async discard(): Promise<void> {
    // What cannot be closed, on a full disk for one, must not hide the error that led here.
    for (const handle of this.#open) await handle.close().catch(() => undefined);
    this.#open.clear();
    const { target, partial, made, onWarning } = this.#places;
    await rm(partial, { recursive: true, force: true }).catch((error: unknown) =>
      onWarning?.(`output: ${partial}: cannot be removed: ${messageOf(error)}`),
    );
    await removeMade(target, made);
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

/** Makes names durable. Some platforms cannot open a folder; there the rename alone has to do. */
export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, "r").catch(() => undefined);
  try {
    await handle?.sync().catch(() => undefined);
  } finally {
    await handle?.close();
  }
}
