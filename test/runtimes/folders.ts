/**
 * The suite's folders, in memory: for the core, which has no paths, and for a server that is part of the
 * test.
 */
import { MemoryFolder } from "../memory-folder.ts";

/** A file of the working directory, by its path in it. */
export type ReadFile = (path: string) => Promise<Uint8Array<ArrayBuffer>>;

/** `NAME.json` lists the files of a folder, because not everything that serves files lists them. */
export async function folderIn(name: string, read: ReadFile): Promise<MemoryFolder> {
  const fileNames = JSON.parse(new TextDecoder().decode(await read(`${name}.json`))) as string[];
  const files = fileNames.map(async (fileName) => [fileName, await read(`${name}/${fileName}`)] as const);
  return new MemoryFolder(name, await Promise.all(files));
}

/** @param base a URL that ends in a slash */
export function readBy(fetch: (url: string) => Promise<Response>, base: string): ReadFile {
  return async (path) => {
    const response = await fetch(base + path);
    if (!response.ok) throw new Error(`${path}: HTTP status ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  };
}
