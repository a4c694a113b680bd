/** One blob of the Hugging Face cache folder: its digest, its unfinished forms, the link to it. */
import { createHash, randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { copyFile, type FileHandle, mkdir, readdir, rename, rm, stat, statfs, symlink } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { throwIfAborted } from "../../errors.ts";
import type { HubFile } from "../../sources/hub.ts";

/** Bytes read or written at a time. */
export const PIECE_BYTES = 2 ** 20;
/** An unfinished file nobody has written to for so long was left behind by a process that died. */
export const ABANDONED_MS = 60_000;

/** Room where a path is, or would be. */
export async function freeBytes(path: string): Promise<number> {
  const found = await statfs(path).catch(() => undefined);
  if (found) return found.bavail * found.bsize;
  return dirname(path) === path ? 0 : freeBytes(dirname(path));
}

/** Files beside the blob that nobody writes to any more. */
async function* abandoned(blob: string): AsyncGenerator<string> {
  const prefix = `${basename(blob)}.`;
  for (const name of await readdir(dirname(blob))) {
    if (!name.startsWith(prefix) || !name.endsWith(".incomplete")) continue;
    const path = join(dirname(blob), name);
    const found = await stat(path).catch(() => undefined);
    if (found && Date.now() - found.mtimeMs >= ABANDONED_MS) yield path;
  }
}

/** Removes what others began of a blob that is whole now, and have left. */
export async function removeAbandonedParts(blob: string): Promise<void> {
  for await (const path of abandoned(blob)) {
    // One of another program, which names it otherwise, is that program's.
    if (/\.[0-9a-f]{8}\.incomplete$/.test(path)) await rm(path, { force: true }).catch(() => undefined);
  }
}

/** Goes on with what others have left: the first file that can be renamed is taken. */
export async function takeOver(blob: string, partial: string): Promise<void> {
  for await (const path of abandoned(blob)) {
    const won = await rename(path, partial).then(
      () => true,
      () => false,
    );
    if (won) return;
  }
}

export function startDigest(file: HubFile) {
  if (file.sha256 !== undefined) return createHash("sha256");
  // How git names a blob.
  return createHash("sha1").update(`blob ${file.size}\0`);
}

export async function addFile(
  digest: { update(bytes: Uint8Array): unknown },
  path: string,
  length: number,
  signal: AbortSignal | undefined,
) {
  if (length === 0) return;
  for await (const piece of createReadStream(path, { end: length - 1, highWaterMark: PIECE_BYTES })) {
    throwIfAborted(signal, `reading ${path}`);
    digest.update(piece as Uint8Array);
  }
}

export async function isWhole(blob: string, file: HubFile, signal: AbortSignal | undefined): Promise<boolean> {
  const found = await stat(blob).catch(() => undefined);
  if (!found?.isFile() || found.size !== file.size) return false;
  const digest = startDigest(file);
  await addFile(digest, blob, file.size, signal);
  return digest.digest("hex") === (file.sha256 ?? file.gitOid);
}

/**
 * A relative link, as `huggingface_hub` makes it; a copy where links are not allowed (Windows without
 * developer mode).
 */
export async function link(blob: string, pointer: string): Promise<void> {
  const found = await stat(pointer).catch(() => undefined);
  const target = await stat(blob);
  if (found && (found.ino === target.ino || found.size === target.size)) return;
  await mkdir(dirname(pointer), { recursive: true });
  const partial = `${pointer}.${randomBytes(4).toString("hex")}`;
  await symlink(relative(dirname(pointer), blob), partial).catch(() => copyFile(blob, partial));
  await rename(partial, pointer);
}

export async function writeAt(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}
