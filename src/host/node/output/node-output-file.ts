/** A file that is written in Node, Deno and Bun, visible once it is whole. */
import { mkdir, open, rename, rm, stat, statfs } from "node:fs/promises";
import { basename, dirname } from "node:path";
import type { OutputFile } from "../../../checkpoint/byte-source.ts";
import { CapabilityError, OptionError } from "../../../errors.ts";
import { type OutputFolderOptions, removeMade, syncFolder, throughLinks } from "./node-output-folder.ts";
import { ownedSibling, removeAbandoned } from "./node-output-owner.ts";
import { pathOf } from "../node-paths.ts";
import { codeOf, messageOf } from "../system-error.ts";

/**
 * A file that appears under its name all at once: until `commit` it is a hidden sibling, whose name it takes
 * by a rename. With `force`, a file that stood there before stays whole until then. What killed processes
 * left beside it is removed first, with a warning.
 *
 * @param place path or `file:` URL
 * @throws OptionError if something is in the way, or the parent cannot be written to
 */
export async function createOutputFile(place: string | URL, options: OutputFolderOptions = {}): Promise<OutputFile> {
  const path = pathOf(place, "output");
  const { force = false, onWarning } = options;
  const target = await throughLinks(path);
  await checkReplaceable(path, target, force);
  await removeAbandoned(target, "partial", onWarning);
  let made: string | undefined;
  const partial = await ownedSibling(target, "partial");
  const handle = await (async () => {
    made = await mkdir(dirname(target), { recursive: true });
    return open(partial, "wx");
  })().catch(async (error: unknown) => {
    await removeMade(target, made);
    throw new OptionError(`${path}: cannot be written into ${dirname(target)}: ${messageOf(error)}`, { cause: error });
  });
  let isOpen = true;
  const close = async () => {
    if (!isOpen) return;
    isOpen = false;
    await handle.close();
  };
  const unwritable = (error: unknown): never => {
    throw new CapabilityError(`${path}: cannot be written: ${messageOf(error)}`, { cause: error });
  };

  return {
    name: path,
    write: async (data) => {
      for (let done = 0; done < data.length;) {
        const { bytesWritten } = await handle.write(data, done, data.length - done).catch(unwritable);
        done += bytesWritten;
      }
    },
    freeBytes: async () => {
      const found = await statfs(dirname(partial)).catch(() => undefined);
      return found && found.bavail * found.bsize;
    },
    commit: async () => {
      await handle.sync().catch(unwritable);
      await close();
      await checkReplaceable(path, target, force);
      await rename(partial, target).catch(unwritable);
      await syncFolder(dirname(target));
    },
    discard: async () => {
      // What cannot be closed, on a full disk for one, must not hide the error that led here.
      await close().catch(() => undefined);
      await rm(partial, { force: true }).catch((error: unknown) =>
        onWarning?.(`output: ${partial}: cannot be removed: ${messageOf(error)}`),
      );
      await removeMade(target, made);
    },
  };
}

/** Free, or with `force` a file that is called as a GGUF is. */
async function checkReplaceable(path: string, target: string, force: boolean): Promise<void> {
  const found = await stat(target).catch((error: unknown) => {
    if (codeOf(error) === "ENOENT") return undefined;
    throw new OptionError(`${path}: cannot be read: ${messageOf(error)}`, { cause: error });
  });
  if (!found) return;
  if (!found.isFile()) throw new OptionError(`${path}: got a folder, need a file or a free name`);
  if (!force) throw new OptionError(`${path}: got a file that exists, need a free name, or option force to replace it`);
  if (!basename(target).toLowerCase().endsWith(".gguf"))
    throw new OptionError(
      `${path}: got a file of another kind, need one named .gguf: only a model is replaced, remove this one yourself`,
    );
}
