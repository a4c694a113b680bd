/**
 * What every entry point of the package exports besides the core: the same functions, over what one runtime
 * brings. The declarations of `src/index.ts` hold for all of them, so that a program's types do not depend on
 * where it runs.
 */
import * as core from "./core.ts";
import { CapabilityError } from "./errors.ts";
import type { HostOptions } from "./host/host-options.ts";

export interface LoadOptions extends core.LoadOptions, core.SourceOptions, HostOptions {}

export interface AnalyzeOptions extends core.AnalyzeOptions, core.SourceOptions, HostOptions {}

export interface QuantizeOptions extends core.QuantizeOptions, core.SourceOptions, HostOptions {
  /** Path of the folder to write or, where there is no file system, what takes the files. */
  readonly output: string | core.OutputFolder;
  /** Replace the folder of this path if it exists; it stays whole until the new one is. Default false. */
  readonly force?: boolean | undefined;
}

export interface DiagnoseOptions extends core.DiagnoseOptions, HostOptions {}

/** What an entry point brings. */
export interface EntryPoint {
  host(options: HostOptions): core.Host;
  readonly sources: core.SourceCapabilities;
  /** In pages, what a URL without a scheme is relative to. */
  baseUrl?(): string;
  /** Absent where there is no file system. */
  createOutputFolder?(path: string, options: { force: boolean }): Promise<core.OutputFolder>;
}

export async function loadModel(
  place: EntryPoint,
  source: core.ModelSource,
  options: LoadOptions = {},
): Promise<core.LanguageModel> {
  return core.loadModel(await locate(place, source, options), place.host(options), options);
}

export async function quantize(
  place: EntryPoint,
  source: core.ModelSource,
  options: QuantizeOptions,
): Promise<core.QuantizationReport> {
  const output = await openOutput(place, options);
  let location: core.ModelLocation;
  try {
    location = await locate(place, source, options);
  } catch (error) {
    await output.discard();
    throw error;
  }
  return core.quantize(location, output, place.host(options), options);
}

async function openOutput(place: EntryPoint, { output, force = false }: QuantizeOptions): Promise<core.OutputFolder> {
  if (typeof output !== "string") return output;
  if (place.createOutputFolder) return place.createOutputFolder(output, { force });
  throw new CapabilityError(`output: got the path "${output}", and there is no file system here; pass an OutputFolder`);
}

export async function analyze(
  place: EntryPoint,
  source: core.ModelSource,
  options: AnalyzeOptions = {},
): Promise<core.InputAnalysis[]> {
  return core.analyze(await locate(place, source, options), place.host(options), options);
}

export async function openCheckpoint(
  place: EntryPoint,
  source: core.ModelSource,
  options: core.SourceOptions = {},
): Promise<core.Checkpoint> {
  return core.openCheckpoint(await locate(place, source, options), options.signal);
}

/** @throws CapabilityError: there is no file system */
export function noFolderBlockStore(path: string): core.BlockStore {
  throw new CapabilityError(`cache: got the folder "${path}", and there is no file system here; pass a BlockStore of your own`);
}

export function diagnose(place: EntryPoint, { kernels, worker, ...options }: DiagnoseOptions = {}): Promise<core.Diagnosis> {
  return core.diagnose(place.host({ kernels, worker }), options);
}

function locate(place: EntryPoint, source: core.ModelSource, options: core.SourceOptions): Promise<core.ModelLocation> {
  const relative = place.baseUrl && typeof source === "string" && !/^[a-z][a-z\d+.-]*:/i.test(source);
  return core.locateModel(relative ? new URL(source, place.baseUrl!()) : source, place.sources, options);
}
