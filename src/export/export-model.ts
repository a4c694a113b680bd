/** Models in the forms of other programs: what is asked for, checked, and done. */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { OutputFile, OutputFolder } from "../checkpoint/byte-source.ts";
import type { WorkOptions } from "../host/work.ts";
import { need } from "../need.ts";
import { type OptionKeys, optionKeys } from "../option-keys.ts";
import { exportView, type FolderExport } from "./compressed-tensors/export-view.ts";
import { exportGguf, type GgufExport } from "./gguf/export-gguf.ts";
import { EXPORT_TYPES, type ExportType } from "./gguf/gguf-weights.ts";

type Work = Pick<WorkOptions, "signal" | "onProgress" | "onWarning">;

/** How a GGUF is written. */
export interface ExportGgufOptions extends Work {
  /**
   * What matrices become. Codes that a checkpoint has already are kept where the type has room for them; the
   * rest is rounded as ggml's reference does. Embedding and head are Q8_0 beside Q4_0 and Q4_1; vectors are
   * F32.
   */
  readonly type: ExportType;
}

export const EXPORT_GGUF_OPTIONS: OptionKeys = optionKeys<ExportGgufOptions>({
  type: 0, signal: 0, onProgress: 0, onWarning: 0,
}); // prettier-ignore

/** What `exportFolder` writes. */
export const FOLDER_FORMATS = ["w4a16", "w4a8-int"] as const;
/** Forms of folders for vLLM and transformers. */
export type FolderFormat = (typeof FOLDER_FORMATS)[number];

/** How such a folder is written. */
export interface ExportFolderOptions extends Work {
  /**
   * "w4a16": 4-bit weights, packed, and float activations, which vLLM runs on every GPU. "w4a8-int": the same
   * codes, a byte each, and int8 activations with a scale per token, which it runs on Arm.
   */
  readonly format: FolderFormat;
}

export const EXPORT_FOLDER_OPTIONS: OptionKeys = optionKeys<ExportFolderOptions>({
  format: 0, signal: 0, onProgress: 0, onWarning: 0,
}); // prettier-ignore

/** Writes a folder and commits it; nothing half-written is left. @throws as `exportView`; OptionError */
export async function writeFolder(
  checkpoint: Checkpoint,
  output: OutputFolder,
  options: ExportFolderOptions,
): Promise<FolderExport> {
  const format = need.oneOf("format", options.format, FOLDER_FORMATS);
  const done = await exportView(checkpoint, output, { ...options, unpacked: format === "w4a8-int" });
  await checkpoint.verify(options.signal);
  await output.commit();
  return done;
}

/** Writes a GGUF and commits it; nothing half-written is left. @throws as `exportGguf`; OptionError */
export async function writeGguf(checkpoint: Checkpoint, output: OutputFile, options: ExportGgufOptions): Promise<GgufExport> {
  const type = need.oneOf("type", options.type, EXPORT_TYPES);
  const done = await exportGguf(checkpoint, output, { ...options, type });
  await checkpoint.verify(options.signal);
  await output.commit();
  return done;
}
