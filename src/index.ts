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

/**
 * Loads a model: a quantized folder, a GGUF, whose quantized weights run as they are, or a folder or GGUF of
 * floats, which then runs in float32.
 *
 * @example
 * ```ts
 * import { loadModel } from "fptq";
 *
 * await using model = await loadModel("hf:ORG/MODEL", { contextSize: 2048, onProgress: console.error });
 * for await (const text of model.generate("The capital of France is")) process.stdout.write(text);
 * ```
 * @param source a path, a URL, `hf:ORG/MODEL`, files chosen in a page, or a location of one's own
 * @throws CheckpointError for files that are missing, truncated or damaged; DownloadError;
 *   UnsupportedModelError for models this package does not run; OptionError; CapabilityError if memory is
 *   refused; AbortError
 */
export function loadModel(source: core.ModelSource, options?: library.LoadOptions): Promise<core.LanguageModel> {
  return library.loadModel(place, source, options);
}

/**
 * Quantizes a model to W4A8 (FPTQ, Algorithm 1, or another recipe) and writes it as a Hugging Face folder.
 * The folder appears when everything is written; if anything fails, nothing is left.
 *
 * @example
 * ```ts
 * import { readFile } from "node:fs/promises";
 * import { quantize } from "fptq";
 *
 * const name = "wiki.valid.txt";
 * const calibration = { kind: "text", name, text: await readFile(name, "utf8") } as const;
 * const report = await quantize("model.gguf", { output: "model-w4a8", calibration });
 * console.log(report.bits_per_weight, report.layers.map(({ name, policy }) => `${name} ${policy}`));
 * ```
 * @returns range, policy, scale and error of each layer input, bits per weight, seconds
 * @throws RecipeError for a recipe that does not fit the model, text that is too short, NaN in weights;
 *   OptionError, also if the output folder exists and `force` is not set; CheckpointError; DownloadError;
 *   UnsupportedModelError; CapabilityError; AbortError
 */
export function quantize(source: core.ModelSource, options: library.QuantizeOptions): Promise<core.QuantizationReport> {
  return library.quantize(place, source, options);
}

/**
 * Writes a model as a GGUF, which llama.cpp and its relatives read. The file appears when it is whole.
 *
 * @example
 * ```ts
 * import { exportGguf } from "fptq";
 *
 * const { bytes, notes } = await exportGguf("model-w4a8", { output: "model.gguf", type: "Q4_1" });
 * ```
 * @throws UnsupportedModelError for what a GGUF has no place for; OptionError, also if the output file exists
 *   and `force` is not set; CheckpointError; NumericError for weights that are not finite; CapabilityError if
 *   there is too little room; AbortError
 */
export function exportGguf(source: core.ModelSource, options: library.ExportGgufOptions): Promise<core.GgufExport> {
  return library.exportGguf(place, source, options);
}

/**
 * Writes a quantized model as a folder for vLLM and transformers, by compressed-tensors' rules. The folder
 * appears when it is whole.
 *
 * @example
 * ```ts
 * import { exportFolder } from "fptq";
 *
 * const { notes } = await exportFolder("model-w4a8", { output: "model-vllm", format: "w4a16" });
 * for (const note of notes) console.error(note);
 * ```
 * @throws UnsupportedModelError for a model without 4-bit symmetric weights, or of a layout that others do
 *   not read; OptionError, also if the output folder exists and `force` is not set; CheckpointError;
 *   NumericError; AbortError
 */
export function exportFolder(source: core.ModelSource, options: library.ExportFolderOptions): Promise<core.FolderExport> {
  return library.exportFolder(place, source, options);
}

/**
 * Activation ranges of each layer input, and what a recipe would do with them (FPTQ, section 3.2 and Tables 8
 * and 9); nothing is written.
 *
 * @example
 * ```ts
 * import { analyze } from "fptq";
 *
 * const inputs = await analyze("model.gguf", { samples: 8 });
 * for (const { name, range, equalizedRange } of inputs) console.log(name, range, equalizedRange);
 * ```
 * @throws as `quantize`
 */
export function analyze(source: core.ModelSource, options?: library.AnalyzeOptions): Promise<core.InputAnalysis[]> {
  return library.analyze(place, source, options);
}

/**
 * Tells where a quantized model's loss comes from: how far its predictions are from those of the float model
 * it was made of, as it is and with each of its parts put back to float, alone and one after another.
 *
 * @example
 * ```ts
 * import { readFile } from "node:fs/promises";
 * import { lossByPart } from "fptq";
 *
 * const text = await readFile("wiki.test.txt", "utf8");
 * const { quantized, parts } = await lossByPart("model-w4a8", "model.gguf", text, { chunks: 4 });
 * ```
 * @param base the float model
 * @throws OptionError if the two differ in size or vocabulary, the base is quantized, the text is shorter
 *   than one chunk or an option is outside its domain; UnsupportedModelError if the weights of one are not
 *   those of the other, rounded; CheckpointError; DownloadError; CapabilityError; NumericError; AbortError
 */
export function lossByPart(
  quantized: core.ModelSource,
  base: core.ModelSource,
  text: string,
  options?: library.LossByPartOptions,
): Promise<core.LossByPart> {
  return library.lossByPart(place, [quantized, base], text, options);
}

/**
 * Opens the tensors and configuration of a model, without loading it. Close it after use.
 *
 * @example
 * ```ts
 * import { openCheckpoint } from "fptq";
 *
 * const checkpoint = await openCheckpoint("model.gguf");
 * for (const [name, { type, shape }] of checkpoint.tensors) console.log(name, type, shape.join(" x "));
 * await checkpoint.close();
 * ```
 * @throws CheckpointError if there is no checkpoint, or a damaged one; the message says what was found;
 *   UnsupportedModelError if it is one this package does not run; DownloadError; OptionError; AbortError
 */
export function openCheckpoint(source: core.ModelSource, options?: core.SourceOptions): Promise<core.Checkpoint> {
  return library.openCheckpoint(place, source, options);
}

/**
 * Tells what this runtime has: features of WebAssembly, the self-test of each build, threads, memory, and
 * what the kernels reach. It takes one to three seconds and up to 140 MB while it measures.
 *
 * @example
 * ```ts
 * import { diagnose } from "fptq";
 *
 * const { builds, memoryLimit } = await diagnose({ threads: 2 });
 * ```
 * @throws OptionError for a number of threads that cannot be; CapabilityError if there is no memory to
 *   measure in; AbortError
 */
export function diagnose(options?: library.DiagnoseOptions): Promise<core.Diagnosis> {
  return library.diagnose(place, options);
}
