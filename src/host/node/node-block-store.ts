/**
 * Downloads kept in a folder, for Node, Deno and Bun: one file for each value, which appears under its name
 * all at once.
 */
import { createHash, randomBytes } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm, stat, statfs } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import type { CreateSha256 } from "../../checkpoint/sha256.ts";
import type { BlockStore } from "../../sources/block-cache.ts";
import { pathOf } from "./node-paths.ts";

/** An unfinished file this old is nobody's. */
const ABANDONED_MS = 24 * 60 * 60 * 1000;

/** SHA-256 by OpenSSL, which uses the processor's instructions for it. */
export const nodeSha256: CreateSha256 = () => {
  const hash = createHash("sha256");
  return { update: (bytes) => void hash.update(bytes), hex: () => hash.digest("hex") };
};

/**
 * The folder where downloads from URLs are kept: `FPTQ_CACHE`; else `fptq` in `XDG_CACHE_HOME`, in
 * `LOCALAPPDATA` on Windows, or in `~/.cache`.
 */
export function defaultCacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const { FPTQ_CACHE: own, XDG_CACHE_HOME: xdg, LOCALAPPDATA: local } = environment;
  return own || join(xdg || (process.platform === "win32" && local) || join(homedir(), ".cache"), "fptq");
}

/**
 * Keeps downloads in a folder, as the `cache` of loading.
 *
 * @example
 * ```ts
 * import { folderBlockStore, loadModel } from "fptq";
 *
 * const model = await loadModel("https://example.org/model.gguf", { cache: folderBlockStore("downloads") });
 * ```
 * @param folder path or `file:` URL; made when the first value is put
 * @throws OptionError for another URL
 */
export function folderBlockStore(folder: string | URL): BlockStore {
  const path = pathOf(folder, "cache");
  const fileOf = (key: string) => join(path, ...key.split("/"));
  /** Folders in which this store has looked for what others left. */
  const tidied = new Set<string>();
  return {
    name: path,
    async get(key) {
      try {
        return await readFile(fileOf(key));
      } catch (error) {
        if (isAbsent(error)) return undefined;
        throw error;
      }
    },
    async put(key, value) {
      const file = fileOf(key);
      // Several processes may do this at once: each has a file of its own, and the last rename stands.
      const partial = `${file}.${randomBytes(4).toString("hex")}.partial`;
      const makeFolder = () => mkdir(dirname(file), { recursive: true });
      await makeFolder();
      if (!tidied.has(dirname(file))) await removeAbandoned(dirname(file));
      tidied.add(dirname(file));
      try {
        // Whoever removes a model may take the folder away in between.
        const handle = await open(partial, "wx").catch((error: unknown) =>
          isAbsent(error) ? makeFolder().then(() => open(partial, "wx")) : Promise.reject(error as Error),
        );
        try {
          await handle.writeFile(value);
        } finally {
          await handle.close();
        }
        await rename(partial, file);
      } catch (error) {
        await rm(partial, { force: true }).catch(() => undefined);
        throw error;
      }
    },
    async delete(key) {
      await rm(fileOf(key), { force: true });
    },
    async room() {
      const { bavail, bsize } = await statfs(path);
      return { free: bavail * bsize };
    },
  };
}

/** Removes unfinished files of processes that died: a value is written in moments, never in a day. */
async function removeAbandoned(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!/\.[0-9a-f]{8}\.partial$/.test(name)) continue;
    const found = await stat(join(folder, name)).catch(() => undefined);
    if (found && Date.now() - found.mtimeMs >= ABANDONED_MS) await rm(join(folder, name), { force: true }).catch(() => undefined);
  }
}

/** No such file, or a file where its folder should be. */
function isAbsent(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOENT" || code === "ENOTDIR";
}
