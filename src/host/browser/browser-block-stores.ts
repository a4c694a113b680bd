/**
 * Downloads kept by a page: in its private files (OPFS) where there are, in the Cache API elsewhere. Both
 * need a secure origin.
 */
import type { BlockStore } from "../../sources/block-cache.ts";

/**
 * A folder of the origin private file system, or the Cache API; undefined where a page has neither: over
 * http from another machine, or in a private window of some browsers, which refuse both.
 */
export async function browserBlockStore(name = "fptq"): Promise<BlockStore | undefined> {
  const storage = navigator.storage as StorageManager | undefined;
  // Safari has the files without a way to write them from outside a worker before version 26.
  const writes = typeof FileSystemFileHandle === "function" && "createWritable" in FileSystemFileHandle.prototype;
  if (typeof storage?.getDirectory === "function" && writes) {
    const folder = await privateFolder(storage, name).catch(() => undefined);
    if (folder) return opfsBlockStore(folder);
  }
  const cache = typeof caches === "object" ? await caches.open(name).catch(() => undefined) : undefined;
  return cache && cacheApiBlockStore(cache);
}

async function privateFolder(storage: StorageManager, name: string): Promise<FileSystemDirectoryHandle> {
  return (await storage.getDirectory()).getDirectoryHandle(name, { create: true });
}

/**
 * Values as files of a folder. What is written through a writable stream appears when the stream is closed,
 * whole (File System Standard, "FileSystemWritableFileStream"), so a page closed meanwhile leaves what was
 * there before.
 */
export function opfsBlockStore(folder: FileSystemDirectoryHandle): BlockStore {
  const folderOf = async (key: string, create: boolean) => {
    let at = folder;
    for (const part of key.split("/").slice(0, -1)) at = await at.getDirectoryHandle(part, { create });
    return at;
  };
  const fileName = (key: string) => key.slice(key.lastIndexOf("/") + 1);
  return {
    name: "this page's private files",
    async get(key) {
      try {
        const handle = await (await folderOf(key, false)).getFileHandle(fileName(key));
        return new Uint8Array(await (await handle.getFile()).arrayBuffer());
      } catch (error) {
        if (isAbsent(error)) return undefined;
        throw error;
      }
    },
    async put(key, value) {
      const handle = await (await folderOf(key, true)).getFileHandle(fileName(key), { create: true });
      const stream = await handle.createWritable();
      try {
        await stream.write(value as Uint8Array<ArrayBuffer>);
        await stream.close();
      } catch (error) {
        await stream.abort().catch(() => undefined);
        throw error;
      }
    },
    async delete(key) {
      try {
        await (await folderOf(key, false)).removeEntry(fileName(key));
      } catch (error) {
        if (!isAbsent(error)) throw error;
      }
    },
    room: storageRoom,
  };
}

/**
 * Values as responses to requests that nobody sends. `put` replaces a response at once (Service Workers,
 * "Cache").
 */
export function cacheApiBlockStore(cache: Cache): BlockStore {
  const urlOf = (key: string) => `https://fptq.invalid/${key}`;
  return {
    name: "the Cache API",
    async get(key) {
      const response = await cache.match(urlOf(key));
      return response && new Uint8Array(await response.arrayBuffer());
    },
    put: (key, value) => cache.put(urlOf(key), new Response(value as Uint8Array<ArrayBuffer>)),
    async delete(key) {
      await cache.delete(urlOf(key));
    },
    room: storageRoom,
  };
}

async function storageRoom(): Promise<{ used: number; free: number } | undefined> {
  const storage = navigator.storage as StorageManager | undefined;
  const { usage, quota } = (await storage?.estimate()) ?? {};
  return usage === undefined || quota === undefined ? undefined : { used: usage, free: Math.max(0, quota - usage) };
}

function isAbsent(error: unknown): boolean {
  return error instanceof DOMException && error.name === "NotFoundError";
}
