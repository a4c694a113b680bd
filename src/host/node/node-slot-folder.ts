/** A folder that a server's clients may save slots in, in Node, Deno and Bun. */
import { randomBytes } from "node:crypto";
import { open, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CheckpointError, OptionError } from "../../errors.ts";
import { pathOf } from "./node-paths.ts";
import { codeOf, messageOf } from "./system-error.ts";

export class SlotFolder {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /**
   * @param place path or `file:` URL
   * @throws OptionError unless it is a folder
   */
  static async open(place: string | URL): Promise<SlotFolder> {
    const path = pathOf(place, "slots");
    const found = await stat(path).catch((error: unknown) => {
      throw new OptionError(`slots: got ${path}, need a folder: ${messageOf(error)}`, { cause: error });
    });
    if (!found.isDirectory()) throw new OptionError(`slots: got ${path}, need a folder`);
    return new SlotFolder(path);
  }

  /** A file appears under its name when it is whole. What was said is nobody else's to read. */
  async write(name: string, bytes: Uint8Array): Promise<void> {
    const partial = join(this.#path, `.${name}.${randomBytes(6).toString("hex")}`);
    try {
      await writeFile(partial, bytes, { mode: 0o600, flag: "wx" });
      await rename(partial, join(this.#path, name));
    } catch (error) {
      await rm(partial, { force: true });
      throw error;
    }
  }

  /**
   * @param most bytes that are read
   * @returns undefined if there is no such file
   * @throws CheckpointError for a larger one, or a folder
   */
  async read(name: string, most: number): Promise<Uint8Array | undefined> {
    const file = await open(join(this.#path, name)).catch((error: unknown) => {
      if (codeOf(error) === "ENOENT") return undefined;
      throw error;
    });
    if (!file) return undefined;
    try {
      const found = await file.stat();
      if (!found.isFile() || found.size > most)
        throw new CheckpointError(`${name}: got ${found.size} bytes, need a file of at most ${most}`);
      return await file.readFile();
    } finally {
      await file.close();
    }
  }
}
