/**
 * fptq for Node, Deno and Bun: paths instead of locations, and threads.
 *
 *     import { loadModel, quantize } from "fptq";
 *
 *     await quantize("SmolLM2-135M-Instruct.Q4_1.gguf", { output: "smollm2-w4a8" });
 *     await using model = await loadModel("smollm2-w4a8");
 *     for await (const text of model.generate("The capital of France is")) process.stdout.write(text);
 */
import * as core from "./core.ts";
import { nodeRuntime } from "./runtime/node.ts";
import { createOutputFolder, openLocation } from "./runtime/node-files.ts";

// What this file exports under the same name takes the place of the core's.
export * from "./core.ts";

/** A path of a file or folder, or a location of another kind. */
export type PathOrLocation = string | core.ModelLocation;

export interface QuantizeOptions extends core.QuantizeOptions {
  /** Path of the folder to write. */
  readonly output: string;
  /** Replace the folder if it exists; it stays whole until the new one is. Default false. */
  readonly force?: boolean | undefined;
}

/** @see core.loadModel */
export async function loadModel(pathOrLocation: PathOrLocation, options?: core.LoadOptions): Promise<core.LanguageModel> {
  return core.loadModel(await locate(pathOrLocation), nodeRuntime, options);
}

/** @see core.quantize. @throws OptionError also if the output folder exists and `force` is not set */
export async function quantize(pathOrLocation: PathOrLocation, options: QuantizeOptions): Promise<core.QuantizationReport> {
  const output = await createOutputFolder(options.output, { force: options.force ?? false });
  let location: core.ModelLocation;
  try {
    location = await locate(pathOrLocation);
  } catch (error) {
    await output.discard();
    throw error;
  }
  return core.quantize(location, output, nodeRuntime, options);
}

/** @see core.analyze */
export async function analyze(pathOrLocation: PathOrLocation, options?: core.AnalyzeOptions): Promise<core.InputAnalysis[]> {
  return core.analyze(await locate(pathOrLocation), nodeRuntime, options);
}

/** The tensors and configuration of a model, without loading it. Close it after use. */
export async function openCheckpoint(pathOrLocation: PathOrLocation): Promise<core.Checkpoint> {
  return core.openCheckpoint(await locate(pathOrLocation));
}

function locate(pathOrLocation: PathOrLocation): Promise<core.ModelLocation> | core.ModelLocation {
  return typeof pathOrLocation === "string" ? openLocation(pathOrLocation) : pathOrLocation;
}
