/** What is known of a model in a cache, whichever of the two it lies in. */
import { lstat } from "node:fs/promises";
import type { Stats } from "node:fs";
import { codeOf } from "../system-error.ts";

export interface KeptModel {
  /** As a command takes it: a URL without its secrets, or `hf:ORG/MODEL`; see `isNamed`. */
  readonly name: string;
  /** Whether anything says what it is. If not, `name` begins with "unnamed:" and has the start of its key. */
  readonly isNamed: boolean;
  /** The cache's folder. */
  readonly folder: string;
  /** Bytes on disk, all of them the model's own. */
  readonly bytes: number;
  readonly isWhole: boolean;
  /** Bytes there will be when it is whole; undefined where nothing says so. */
  readonly wholeBytes: number | undefined;
  /** The last time it was read or written, in milliseconds since 1970, as far as the file system notes it. */
  readonly lastUse: number;
  /**
   * Removes it from the cache. What other models share with it stays.
   *
   * @returns bytes that were freed
   * @throws CapabilityError if it lies elsewhere, another process is writing it, or the system refuses
   */
  remove(): Promise<number>;
}

/** The last time a file was read or written. Some file systems note no reading. */
export const lastUseOf = ({ atimeMs, mtimeMs }: Stats): number => Math.max(atimeMs, mtimeMs);

/** What stands at a path, itself and not what it links to; undefined if nothing does (any more). */
export async function found(path: string): Promise<Stats | undefined> {
  return unlessGone(lstat(path));
}

/** The outcome, or undefined where another process has removed the file meanwhile. */
export async function unlessGone<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return undefined;
    throw error;
  }
}
