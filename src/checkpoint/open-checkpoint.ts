/**
 * Opens whatever a user's path turned out to be: a GGUF file, a Hugging Face folder, a folder that holds one
 * GGUF. A GGUF may be in parts; any of them stands for all.
 */
import { CheckpointError } from "../errors.ts";
import type { ModelLocation } from "./byte-source.ts";
import type { WorkOptions } from "../host/work.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { GGUF_MAGIC, isGguf } from "./gguf/gguf.ts";
import { openGgufCheckpoint } from "./gguf/gguf-checkpoint.ts";
import { firstPart } from "./gguf/gguf-parts.ts";
import { settleHead } from "./settle-head.ts";
import { openSafetensorsCheckpoint } from "./safetensors/safetensors-checkpoint.ts";

/**
 * Opens the tensors and configuration at a location.
 *
 * The checkpoint owns what it was opened from: closing it closes the file.
 *
 * @example
 * ```ts
 * import { openCheckpoint } from "fptq/core";
 *
 * const checkpoint = await openCheckpoint(modelLocation);
 * console.log(checkpoint.config.layers, checkpoint.tensors.size);
 * await checkpoint.close();
 * ```
 * @throws CheckpointError if the location holds no checkpoint, or a damaged one; the message says what was
 *   found
 * @throws UnsupportedModelError if it is one this package does not run
 */
export async function openCheckpoint(location: ModelLocation, signal?: AbortSignal): Promise<Checkpoint> {
  if (location.kind === "file") {
    const { file, openSibling } = location;
    return closingOnError(file, async () => {
      if (await isGguf(file)) return openGgufCheckpoint(file, signal, openSibling);
      const start = file.size >= GGUF_MAGIC.length ? await file.read(0, GGUF_MAGIC.length) : new Uint8Array(0);
      const found = Array.from(start, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
      throw new CheckpointError(
        `${file.name}: got a file of ${file.size} bytes starting with ${found || "nothing"}, need a GGUF file (47 47 55 46) or a model folder`,
      );
    });
  }

  const { folder } = location;
  const names = await folder.list();
  const isModelFolder = names.includes("config.json") && names.some((name) => /\.safetensors(\.index\.json)?$/.test(name));
  if (isModelFolder) return openSafetensorsCheckpoint(folder, signal);

  const ggufNames = names.filter((name) => name.toLowerCase().endsWith(".gguf"));
  const only = ggufNames.length === 1 ? ggufNames[0] : firstPart(ggufNames);
  if (only !== undefined) {
    const file = await folder.open(only);
    return closingOnError(file, () => openGgufCheckpoint(file, signal, (fileName) => folder.open(fileName)));
  }
  const found = ggufNames.length > 1 ? `${ggufNames.length} GGUF files (${listed(ggufNames)})` : listed(names);
  throw new CheckpointError(`${folder.name}: got ${found || "nothing"}, need config.json with safetensors, or one GGUF`);
}

/**
 * Opens a checkpoint to compute with it: decides whether its head is its embedding, and tells of its notes.
 *
 * @throws as `openCheckpoint`; AbortError
 */
export async function openModel(
  location: ModelLocation,
  { signal, onWarning }: Pick<WorkOptions, "signal" | "onWarning">,
): Promise<Checkpoint> {
  const opened = await openCheckpoint(location, signal);
  return closingOnError(opened, async () => {
    const checkpoint = await settleHead(opened, signal);
    for (const note of checkpoint.notes) onWarning?.(note);
    return checkpoint;
  });
}

/**
 * Opens a checkpoint as `openModel` does, for as long as it is used.
 *
 * @throws as `openModel` and `use`
 */
export async function withModel<T>(
  location: ModelLocation,
  options: Pick<WorkOptions, "signal" | "onWarning">,
  use: (checkpoint: Checkpoint) => Promise<T>,
): Promise<T> {
  const checkpoint = await openModel(location, options);
  try {
    return await use(checkpoint);
  } finally {
    await checkpoint.close();
  }
}

function listed(names: readonly string[]): string {
  const shown = names.toSorted().slice(0, 8).join(", ");
  return names.length > 8 ? `${shown} and ${names.length - 8} more` : shown;
}

async function closingOnError<T>(file: { close(): Promise<void> }, open: () => Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    await file.close();
    throw error;
  }
}
