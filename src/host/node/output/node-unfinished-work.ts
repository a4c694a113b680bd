/**
 * Unfinished work as a hidden file beside the folder it will become: `.NAME.unfinished-KEY`. It stays when a
 * process ends, however that happens, until the work is done; nobody else removes it.
 */
import { open, readFile, rename, rm } from "node:fs/promises";
import type { UnfinishedWork } from "../../../checkpoint/byte-source.ts";
import { CapabilityError } from "../../../errors.ts";
import { ownedSibling, siblingPrefix } from "./node-output-owner.ts";
import { codeOf, messageOf } from "../system-error.ts";

export class NodeUnfinishedWork implements UnfinishedWork {
  readonly name: string;
  readonly #target: string;
  readonly #onWarning: ((message: string) => void) | undefined;

  constructor(target: string, key: string, onWarning: ((message: string) => void) | undefined) {
    this.name = siblingPrefix(target, "unfinished") + key;
    this.#target = target;
    this.#onWarning = onWarning;
  }

  async read(): Promise<Uint8Array | undefined> {
    return readFile(this.name).catch((error: unknown) => {
      if (codeOf(error) !== "ENOENT") this.#onWarning?.(`output: ${this.name}: cannot be read: ${messageOf(error)}`);
      return undefined;
    });
  }

  /** A reader, or a process after this one has died, finds the earlier state or this one. */
  async write(bytes: Uint8Array): Promise<void> {
    const partial = await ownedSibling(this.#target, "saving");
    try {
      const file = await open(partial, "wx");
      try {
        await file.writeFile(bytes);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(partial, this.name);
    } catch (error) {
      await rm(partial, { force: true }).catch(() => undefined);
      throw new CapabilityError(`${this.name}: cannot be written: ${messageOf(error)}`, { cause: error });
    }
  }

  async remove(): Promise<void> {
    await rm(this.name, { force: true }).catch((error: unknown) =>
      this.#onWarning?.(`output: ${this.name} is not needed any more, cannot be removed: ${messageOf(error)}`),
    );
  }
}
