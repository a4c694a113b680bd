/**
 * What every entry point of the package exports besides the core: the same functions, over what one runtime
 * brings. The declarations of `src/index.ts` hold for all of them, so that a program's types do not depend on
 * where it runs.
 */
import * as core from "./core.ts";
import { CapabilityError } from "./errors.ts";
import { LOSS_BY_PART_OPTIONS } from "./evaluation/loss-by-part.ts";
import { DIAGNOSE_OPTIONS } from "./evaluation/runtime-diagnosis.ts";
import { EXPORT_FOLDER_OPTIONS, EXPORT_GGUF_OPTIONS } from "./export/export-model.ts";
import { HOST_OPTIONS, type HostOptions } from "./host/host-options.ts";
import { checkLoadOptions, LOAD_OPTIONS } from "./model/load-options.ts";
import { checkOptions, optionKeys, withOptionKeys } from "./option-keys.ts";
import { QUANTIZE_OPTIONS } from "./quantizer/quantize-options.ts";
import { RECIPE_OPTIONS } from "./quantizer/recipe/recipe-options.ts";
import { SOURCE_OPTIONS } from "./sources/locate-model.ts";

/** How a model is found, loaded and run. */
export interface LoadOptions extends core.LoadOptions, core.SourceOptions, HostOptions {}

/** How a model is found and analyzed. */
export interface AnalyzeOptions extends core.AnalyzeOptions, core.SourceOptions, HostOptions {}

/** How a model is found and quantized, and where to. */
export interface QuantizeOptions extends core.QuantizeOptions, core.SourceOptions, HostOptions {
  /** Path or `file:` URL of the folder to write or, where there is no file system, what takes the files. */
  readonly output: string | URL | core.OutputFolder;
  /** Replace the folder of this path if it exists; it stays whole until the new one is. Default false. */
  readonly force?: boolean | undefined;
}

/** How a model is found and written as a GGUF, and where to. */
export interface ExportGgufOptions extends core.ExportGgufOptions, core.SourceOptions {
  /** Path or `file:` URL of the file to write or, where there is no file system, what takes its bytes. */
  readonly output: string | URL | core.OutputFile;
  /** Replace the GGUF of this path if it exists; it stays whole until the new one is. Default false. */
  readonly force?: boolean | undefined;
}

/** How a model is found and written as a folder, and where to. */
export interface ExportFolderOptions extends core.ExportFolderOptions, core.SourceOptions {
  /** Path or `file:` URL of the folder to write or, where there is no file system, what takes the files. */
  readonly output: string | URL | core.OutputFolder;
  /** Replace the folder of this path if it exists; it stays whole until the new one is. Default false. */
  readonly force?: boolean | undefined;
}

/** How models are found, and how much of a text is scored. */
export interface LossByPartOptions extends core.LossByPartOptions, core.SourceOptions, HostOptions {}

const OUTPUT_OPTIONS = optionKeys<Pick<QuantizeOptions, "output" | "force">>({ output: 0, force: 0 });

/** What a diagnosis starts, and with which kernels. */
export interface DiagnoseOptions extends core.DiagnoseOptions, HostOptions {}

interface PlaceOptions {
  readonly force: boolean;
  readonly onWarning: ((message: string) => void) | undefined;
}

/** What an entry point brings. */
export interface EntryPoint {
  host(options: HostOptions): core.Host;
  readonly sources: core.SourceCapabilities;
  /** In pages, what a URL without a scheme is relative to. */
  baseUrl?(): string;
  /** Absent where there is no file system. */
  createOutputFolder?(path: string | URL, options: PlaceOptions): Promise<core.OutputFolder>;
  createOutputFile?(path: string | URL, options: PlaceOptions): Promise<core.OutputFile>;
}

export async function loadModel(
  place: EntryPoint,
  source: core.ModelSource,
  options: LoadOptions = {},
): Promise<core.LanguageModel> {
  checkOptions(options, LOAD_OPTIONS, SOURCE_OPTIONS, HOST_OPTIONS);
  checkLoadOptions(options);
  const location = await locate(place, source, options);
  return core.loadModel(location, place.host(options), withOptionKeys(options, LOAD_OPTIONS));
}

export async function quantize(
  place: EntryPoint,
  source: core.ModelSource,
  options: QuantizeOptions,
): Promise<core.QuantizationReport> {
  checkOptions(options, OUTPUT_OPTIONS, QUANTIZE_OPTIONS, SOURCE_OPTIONS, HOST_OPTIONS);
  core.resolveRecipe(options.recipe, withOptionKeys(options, RECIPE_OPTIONS));
  const output = await openOutput(place, options);
  const location = await locatedFor(output, () => locate(place, source, options));
  return core.quantize(location, output, place.host(options), withOptionKeys<core.QuantizeOptions>(options, QUANTIZE_OPTIONS));
}

export async function exportGguf(
  place: EntryPoint,
  source: core.ModelSource,
  options: ExportGgufOptions,
): Promise<core.GgufExport> {
  checkOptions(options, OUTPUT_OPTIONS, EXPORT_GGUF_OPTIONS, SOURCE_OPTIONS);
  const { output: given, force = false, onWarning } = options;
  // A caller without types may leave it out.
  const found: string | URL | core.OutputFile | undefined = given;
  let output: core.OutputFile;
  if (typeof found === "object" && "write" in found) output = found;
  else if (place.createOutputFile) output = await place.createOutputFile(found, { force, onWarning });
  else throw new CapabilityError(`output: got "${String(found)}", need an OutputFile: there is no file system here`);
  const location = await locatedFor(output, () => locate(place, source, options));
  return core.exportGguf(location, output, withOptionKeys<core.ExportGgufOptions>(options, EXPORT_GGUF_OPTIONS));
}

export async function exportFolder(
  place: EntryPoint,
  source: core.ModelSource,
  options: ExportFolderOptions,
): Promise<core.FolderExport> {
  checkOptions(options, OUTPUT_OPTIONS, EXPORT_FOLDER_OPTIONS, SOURCE_OPTIONS);
  const output = await openOutput(place, options);
  const location = await locatedFor(output, () => locate(place, source, options));
  return core.exportFolder(location, output, withOptionKeys<core.ExportFolderOptions>(options, EXPORT_FOLDER_OPTIONS));
}

/** Discards an output where its source cannot be found. */
async function locatedFor(
  output: Pick<core.OutputFile, "discard">,
  locateSource: () => Promise<core.ModelLocation>,
): Promise<core.ModelLocation> {
  try {
    return await locateSource();
  } catch (error) {
    await output.discard();
    throw error;
  }
}

async function openOutput(
  place: EntryPoint,
  { output, force = false, onWarning }: Pick<QuantizeOptions, "output" | "force" | "onWarning">,
): Promise<core.OutputFolder> {
  // A caller without types may leave it out.
  const found: string | URL | core.OutputFolder | undefined = output;
  if (typeof found === "object" && "create" in found) return found;
  if (place.createOutputFolder) return place.createOutputFolder(found, { force, onWarning });
  throw new CapabilityError(`output: got "${String(found)}", need an OutputFolder: there is no file system here`);
}

export async function analyze(
  place: EntryPoint,
  source: core.ModelSource,
  options: AnalyzeOptions = {},
): Promise<core.InputAnalysis[]> {
  checkOptions(options, QUANTIZE_OPTIONS, SOURCE_OPTIONS, HOST_OPTIONS);
  const location = await locate(place, source, options);
  return core.analyze(location, place.host(options), withOptionKeys(options, QUANTIZE_OPTIONS));
}

/** @param sources the quantized model, and the float model it was made of */
export async function lossByPart(
  place: EntryPoint,
  sources: readonly [quantized: core.ModelSource, base: core.ModelSource],
  text: string,
  options: LossByPartOptions = {},
): Promise<core.LossByPart> {
  checkOptions(options, LOSS_BY_PART_OPTIONS, SOURCE_OPTIONS, HOST_OPTIONS);
  const [quantized, base] = [await locate(place, sources[0], options), await locate(place, sources[1], options)];
  return core.lossByPart(quantized, base, text, place.host(options), withOptionKeys(options, LOSS_BY_PART_OPTIONS));
}

export async function openCheckpoint(
  place: EntryPoint,
  source: core.ModelSource,
  options: core.SourceOptions = {},
): Promise<core.Checkpoint> {
  checkOptions(options, SOURCE_OPTIONS);
  return core.openCheckpoint(await locate(place, source, options), options.signal);
}

/** @throws CapabilityError: there is no file system */
export function noFolderBlockStore(path: string | URL): core.BlockStore {
  throw new CapabilityError(
    `cache: got the folder "${String(path)}", need a BlockStore of your own: there is no file system here`,
  );
}

export async function diagnose(place: EntryPoint, options: DiagnoseOptions = {}): Promise<core.Diagnosis> {
  checkOptions(options, DIAGNOSE_OPTIONS, HOST_OPTIONS);
  return core.diagnose(place.host(options), withOptionKeys(options, DIAGNOSE_OPTIONS));
}

function locate(place: EntryPoint, source: core.ModelSource, options: core.SourceOptions): Promise<core.ModelLocation> {
  const relative = place.baseUrl && typeof source === "string" && !/^[a-z][a-z\d+.-]*:/i.test(source);
  return core.locateModel(relative ? new URL(source, place.baseUrl!()) : source, place.sources, options);
}
