/** Models in the forms of other programs: what is asked for, checked, and done. */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { OutputFile } from "../checkpoint/byte-source.ts";
import type { WorkOptions } from "../host/work.ts";
import { need } from "../need.ts";
import { type OptionKeys, optionKeys } from "../option-keys.ts";
import { exportGguf, type GgufExport } from "./gguf/export-gguf.ts";
import { EXPORT_TYPES, type ExportType } from "./gguf/gguf-weights.ts";

type Work = Pick<WorkOptions, "signal" | "onProgress" | "onWarning">;

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

/** Writes a GGUF and commits it; nothing half-written is left. @throws as `exportGguf`; OptionError */
export async function writeGguf(checkpoint: Checkpoint, output: OutputFile, options: ExportGgufOptions): Promise<GgufExport> {
  const type = need.oneOf("type", options.type, EXPORT_TYPES);
  const done = await exportGguf(checkpoint, output, { ...options, type });
  await checkpoint.verify(options.signal);
  await output.commit();
  return done;
}
