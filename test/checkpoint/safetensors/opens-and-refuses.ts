/** Folders that open, and folders that do not: neither leaves a file open. */
import * as assert from "uvu/assert";
import { openSafetensorsCheckpoint } from "../../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import type { MemoryFolder } from "../../memory-folder.ts";

export async function opens(folder: MemoryFolder) {
  const checkpoint = await openSafetensorsCheckpoint(folder);
  await checkpoint.close();
  assert.is(folder.openCount, 0, "files left open");
  return checkpoint;
}

export async function refuses(folder: MemoryFolder, type: new (message: string) => Error, pattern: RegExp): Promise<void> {
  const error: unknown = await openSafetensorsCheckpoint(folder).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.instance(error, type);
  assert.match((error as Error).message, pattern);
  assert.is(folder.openCount, 0, "files left open");
}
