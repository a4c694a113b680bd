/**
 * fptq for Node, Deno and Bun: paths, URLs and Hub names instead of locations, and threads.
 *
 *     import { loadModel, quantize } from "fptq";
 *
 *     await quantize("SmolLM2-135M-Instruct.Q4_1.gguf", { output: "smollm2-w4a8" });
 *     await using model = await loadModel("smollm2-w4a8");
 *     for await (const text of model.generate("The capital of France is")) process.stdout.write(text);
 */
import * as core from "./core.ts";
import { nodeRuntime } from "./runtime/node.ts";
import { createOutputFolder } from "./runtime/node-files.ts";
import { nodeSources } from "./runtime/node-sources.ts";

// What this file exports under the same name takes the place of the core's.
export * from "./core.ts";
export { folderBlockStore } from "./runtime/node-block-store.ts";

const sources = nodeSources();

export interface QuantizeOptions extends core.QuantizeOptions, core.SourceOptions {
  /** Path of the folder to write. */
  readonly output: string;
  /** Replace the folder if it exists; it stays whole until the new one is. Default false. */
  readonly force?: boolean | undefined;
}

/** @see core.loadModel */
export async function loadModel(
  source: core.ModelSource,
  options?: core.LoadOptions & core.SourceOptions,
): Promise<core.LanguageModel> {
  return core.loadModel(await core.locateModel(source, sources, options), nodeRuntime, options);
}

/** @see core.quantize. @throws OptionError also if the output folder exists and `force` is not set */
export async function quantize(source: core.ModelSource, options: QuantizeOptions): Promise<core.QuantizationReport> {
  const output = await createOutputFolder(options.output, { force: options.force ?? false });
  let location: core.ModelLocation;
  try {
    location = await core.locateModel(source, sources, options);
  } catch (error) {
    await output.discard();
    throw error;
  }
  return core.quantize(location, output, nodeRuntime, options);
}

/** @see core.analyze */
export async function analyze(
  source: core.ModelSource,
  options?: core.AnalyzeOptions & core.SourceOptions,
): Promise<core.InputAnalysis[]> {
  return core.analyze(await core.locateModel(source, sources, options), nodeRuntime, options);
}

/** The tensors and configuration of a model, without loading it. Close it after use. */
export async function openCheckpoint(source: core.ModelSource, options?: core.SourceOptions): Promise<core.Checkpoint> {
  return core.openCheckpoint(await core.locateModel(source, sources, options), options?.signal);
}
