/**
 * fptq for Node, Deno and Bun: paths, URLs and Hub names instead of locations, and threads. The entry points
 * for other places export the same; what needs a file system is an error there.
 *
 *     import { loadModel, quantize } from "fptq";
 *
 *     await quantize("SmolLM2-135M-Instruct.Q4_1.gguf", { output: "smollm2-w4a8" });
 *     await using model = await loadModel("smollm2-w4a8");
 *     for await (const text of model.generate("The capital of France is")) process.stdout.write(text);
 *
 * @module fptq
 */
import type * as core from "./core.ts";
import * as library from "./library.ts";
import { nodeHost } from "./host/node.ts";
import { createOutputFile } from "./host/node/output/node-output-file.ts";
import { createOutputFolder } from "./host/node/output/node-output-folder.ts";
import { nodeSources } from "./host/node/node-sources.ts";
import { withGivenKernels } from "./host/host-options.ts";

// What this file exports under the same name takes the place of the core's.
export * from "./core.ts";
export type {
  AnalyzeOptions,
  DiagnoseOptions,
  ExportFolderOptions,
  ExportGgufOptions,
  LoadOptions,
  LossByPartOptions,
  QuantizeOptions,
} from "./library.ts";
export { folderBlockStore } from "./host/node/node-block-store.ts";
export type { HostOptions, HostOptions as RuntimeOptions } from "./host/host-options.ts";

const place: library.EntryPoint = {
  host: (options) => withGivenKernels(nodeHost, options),
  sources: nodeSources(),
  createOutputFolder,
  createOutputFile,
};

/** @see core.loadModel */
export function loadModel(source: core.ModelSource, options?: library.LoadOptions): Promise<core.LanguageModel> {
  return library.loadModel(place, source, options);
}

/** @see core.quantize. @throws OptionError also if the output folder exists and `force` is not set */
export function quantize(source: core.ModelSource, options: library.QuantizeOptions): Promise<core.QuantizationReport> {
  return library.quantize(place, source, options);
}

/** @see core.exportGguf. @throws OptionError also if the output file exists and `force` is not set */
export function exportGguf(source: core.ModelSource, options: library.ExportGgufOptions): Promise<core.GgufExport> {
  return library.exportGguf(place, source, options);
}

/** @see core.exportFolder. @throws OptionError also if the output folder exists and `force` is not set */
export function exportFolder(source: core.ModelSource, options: library.ExportFolderOptions): Promise<core.FolderExport> {
  return library.exportFolder(place, source, options);
}

/** @see core.analyze */
export function analyze(source: core.ModelSource, options?: library.AnalyzeOptions): Promise<core.InputAnalysis[]> {
  return library.analyze(place, source, options);
}

/** @see core.lossByPart */
export function lossByPart(
  quantized: core.ModelSource,
  base: core.ModelSource,
  text: string,
  options?: library.LossByPartOptions,
): Promise<core.LossByPart> {
  return library.lossByPart(place, [quantized, base], text, options);
}

/** The tensors and configuration of a model, without loading it. Close it after use. */
export function openCheckpoint(source: core.ModelSource, options?: core.SourceOptions): Promise<core.Checkpoint> {
  return library.openCheckpoint(place, source, options);
}

/**
 * What this runtime has: features of WebAssembly, the self-test of both builds, threads, memory, and what the
 * kernels reach. @see core.diagnose
 */
export function diagnose(options?: library.DiagnoseOptions): Promise<core.Diagnosis> {
  return library.diagnose(place, options);
}
