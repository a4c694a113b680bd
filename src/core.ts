/**
 * The library without a runtime: what `fptq` exports, taking the runtime's capabilities as an argument. Use
 * it where no entry point fits, with a `Host` of your own (`WebAssembly.Module`s, a way to yield) and a
 * `ModelLocation` over whatever holds the files.
 *
 * @module fptq/core
 */
import type { Checkpoint } from "./checkpoint/checkpoint.ts";
import type { ModelLocation, OutputFile, OutputFolder } from "./checkpoint/byte-source.ts";
import { describeModel } from "./architecture/description.ts";
import { withModel } from "./checkpoint/open-checkpoint.ts";
import { LanguageModel } from "./decoding/language-model.ts";
import * as parts from "./evaluation/loss-by-part.ts";
import { checkLoadOptions, LOAD_OPTIONS, type LoadOptions } from "./model/load-options.ts";
import { checkOptions, withOptionKeys } from "./option-keys.ts";
import { withPacedProgress } from "./progress.ts";
import { analyzeInputs, type InputAnalysis } from "./quantizer/decide/analyze-inputs.ts";
import { calibrate } from "./quantizer/calibrate/calibrate.ts";
import { calibrationSamples } from "./quantizer/calibrate/calibration-source.ts";
import { type AnalyzeOptions, QUANTIZE_OPTIONS, type QuantizeOptions } from "./quantizer/quantize-options.ts";
import { quantizeModel } from "./quantizer/quantize-model.ts";
import { RECIPE_OPTIONS } from "./quantizer/recipe/recipe-options.ts";
import { resolveRecipe } from "./quantizer/recipe/resolve-recipe.ts";
import type { QuantizationReport } from "./quantizer/write/quantization-report.ts";
import { collectWeightStats } from "./quantizer/calibrate/weight-stats.ts";
import {
  EXPORT_FOLDER_OPTIONS,
  EXPORT_GGUF_OPTIONS,
  type ExportFolderOptions,
  type ExportGgufOptions,
  writeFolder,
  writeGguf,
} from "./export/export-model.ts";
import type { FolderExport } from "./export/compressed-tensors/export-view.ts";
import type { GgufExport } from "./export/gguf/export-gguf.ts";
import { SOURCE_OPTIONS } from "./sources/locate-model.ts";
import type { Host } from "./host/host.ts";
import type { Work, WorkOptions } from "./host/work.ts";

export type { ByteSource, Folder, ModelLocation, OutputFile, OutputFolder } from "./checkpoint/byte-source.ts";
export type { Checkpoint, TensorInfo, TensorType } from "./checkpoint/checkpoint.ts";
export type { ModelConfig } from "./architecture/model-config.ts";
export { openCheckpoint } from "./checkpoint/open-checkpoint.ts";
export type { Pooling, PoolingKind } from "./checkpoint/pooling.ts";
export type { EmbedOptions } from "./decoding/embed.ts";
export { Generation, GenerationAbortError } from "./decoding/generation.ts";
export type {
  GenerateOptions,
  GenerationResult,
  SamplingOptions,
  StageTiming,
  StopReason,
  TokenUsage,
} from "./decoding/generation-options.ts";
export type { ResponseFormat } from "./decoding/grammar/response-format.ts";
export { LanguageModel, type ModelMemory } from "./decoding/language-model.ts";
export type { Messages, Prompt, PromptOptions } from "./decoding/prompt.ts";
export type { PositionLogprobs, TokenLogprob } from "./decoding/token-logprobs.ts";
export type { RerankOptions } from "./decoding/rerank.ts";
export type { ToolChoice } from "./decoding/tool-calls/asked-calls.ts";
export type { ToolCall } from "./decoding/tool-calls/tool-call.ts";
export { TextSequence } from "./decoding/text-sequence.ts";
export { AbortError, CapabilityError, CapacityError, CheckpointError, DisposedError, DownloadError, FptqError, NumericError, OptionError, RecipeError, UnsupportedModelError } from "./errors.ts"; // prettier-ignore
export type { FolderExport } from "./export/compressed-tensors/export-view.ts";
export type { ExportFolderOptions, ExportGgufOptions, FolderFormat } from "./export/export-model.ts";
export type { GgufExport } from "./export/gguf/export-gguf.ts";
export type { ExportType } from "./export/gguf/gguf-weights.ts";
export {
  type ChoiceComparison,
  type ChoiceItem,
  type ChoiceResult,
  compareChoices,
  multipleChoice,
  parseChoiceItems,
} from "./evaluation/choice.ts";
export type { EvaluationOptions } from "./evaluation/continuation.ts";
export type { DivergenceStatistics, Distribution } from "./evaluation/divergence-statistics.ts";
export type { ModelPart } from "./evaluation/float-parts.ts";
export type { LossByPart, LossByPartOptions, PartLoss } from "./evaluation/loss-by-part.ts";
export type { KlDivergenceOptions, KlDivergenceProgress, KlDivergenceResult } from "./evaluation/kl-divergence.ts";
export {
  compareLambada,
  lambada,
  type LambadaComparison,
  type LambadaItem,
  type LambadaResult,
  parseLambadaItems,
} from "./evaluation/lambada.ts";
export type { PerplexityOptions, PerplexityResult } from "./evaluation/perplexity.ts";
export type { BatchedSpeedResult, BatchedSpeedTest } from "./evaluation/batched-speed.ts";
export { measureBatchedSpeed, measureSpeed } from "./evaluation/model-speed.ts";
export type { SpeedOptions, SpeedResult, SpeedTest } from "./evaluation/speed.ts";
export { type BuildState, diagnose, type DiagnoseOptions, type Diagnosis } from "./evaluation/runtime-diagnosis.ts";
export type { KernelSpeed } from "./evaluation/kernel-speed.ts";
export type { Uncertain } from "./evaluation/statistics.ts";
export { textKlDivergence as klDivergence } from "./evaluation/text-divergence.ts";
export { textPerplexity as perplexity } from "./evaluation/text-perplexity.ts";
export type { BuildName, InstructionSet } from "./kernels/kernel-build.ts";
export type { WasmFeature } from "./kernels/wasm-features.ts";
export type { LoadOptions } from "./model/load-options.ts";
export type { CachePrecision, KvPrecision, Precision } from "./model/precision.ts";
export type { OnProgress, Progress } from "./progress.ts";
export type { InputAnalysis } from "./quantizer/decide/analyze-inputs.ts";
export type { CalibrationSource } from "./quantizer/calibrate/calibration-source.ts";
export type { Recipe } from "./quantizer/recipe/recipe.ts";
export type { AnalyzeOptions, QuantizeOptions } from "./quantizer/quantize-options.ts";
export type { RecipeOptions } from "./quantizer/recipe/recipe-options.ts";
export { resolveRecipe } from "./quantizer/recipe/resolve-recipe.ts";
export { RECIPE_NAMES } from "./quantizer/recipe/recipe-presets.ts";
export type { LayerInputReport, QuantizationReport } from "./quantizer/write/quantization-report.ts";
export { type BlockStore, MemoryBlockStore } from "./sources/block-cache.ts";
export { locateModel, type ModelSource, type SourceCapabilities, type SourceOptions } from "./sources/locate-model.ts";
export type { Host, Host as Runtime, Platform, WorkerHandle } from "./host/host.ts";
export type { ChatMessage } from "./tokenizer/chat-template.ts";
export { Tokenizer } from "./tokenizer/tokenizer.ts";

/**
 * Loads a model: a quantized folder, a GGUF, whose quantized weights run as they are, or a folder or GGUF of
 * floats, which then runs in float32.
 *
 * @example
 * ```ts
 * import { loadModel } from "fptq/core";
 *
 * // `modelLocation` is what `locateModel` found, `host` what the runtime brings.
 * const model = await loadModel(modelLocation, host, { contextSize: 2048 });
 * ```
 * @throws CheckpointError for files that are missing, truncated or damaged; UnsupportedModelError for models
 *   this package does not run; OptionError; CapabilityError if memory is refused; AbortError
 */
export async function loadModel(location: ModelLocation, host: Host, options: LoadOptions = {}): Promise<LanguageModel> {
  // One object of options may serve `locateModel` as well.
  checkOptions(options, LOAD_OPTIONS, SOURCE_OPTIONS);
  checkLoadOptions(options);
  return withPacedProgress(options.onProgress, (onProgress) => LanguageModel.load(location, host, { ...options, onProgress }));
}

/**
 * Quantizes a model to W4A8 (FPTQ, Algorithm 1) and writes it as a Hugging Face folder.
 *
 * @example
 * ```ts
 * import { quantize } from "fptq/core";
 *
 * const report = await quantize(modelLocation, outputFolder, host, { recipe: "fptq-best" });
 * ```
 * @param output committed when everything is written; discarded if anything fails, so that nothing
 *   half-written is left
 * @returns range, policy, scale and error of each layer input, bits per weight, seconds
 * @throws RecipeError for a recipe that does not fit the model, text that is too short, NaN in weights;
 *   CheckpointError; UnsupportedModelError; OptionError; CapabilityError; AbortError
 */
export async function quantize(
  location: ModelLocation,
  output: OutputFolder,
  host: Host,
  options: QuantizeOptions = {},
): Promise<QuantizationReport> {
  return discardingOnError(output, async () => {
    checkOptions(options, QUANTIZE_OPTIONS, SOURCE_OPTIONS);
    const recipe = resolveRecipe(options.recipe, withOptionKeys(options, RECIPE_OPTIONS));
    return withModel(location, options, (checkpoint) => {
      const data = calibrationSamples(checkpoint, options, recipe);
      return withWork(host, options, (work) => quantizeModel(checkpoint, data, recipe, output, work));
    });
  });
}

/**
 * Writes a model as a GGUF, which llama.cpp and its relatives read.
 *
 * @example
 * ```ts
 * import { exportGguf } from "fptq/core";
 *
 * await exportGguf(modelLocation, outputFile, { type: "Q8_0" });
 * ```
 * @param output committed when everything is written; discarded if anything fails
 * @throws UnsupportedModelError for what a GGUF has no place for; CheckpointError; NumericError for weights
 *   that are not finite; OptionError; CapabilityError if there is too little room; AbortError
 */
export async function exportGguf(location: ModelLocation, output: OutputFile, options: ExportGgufOptions): Promise<GgufExport> {
  return discardingOnError(output, async () => {
    checkOptions(options, EXPORT_GGUF_OPTIONS, SOURCE_OPTIONS);
    return exported(location, options, (checkpoint, work) => writeGguf(checkpoint, output, { ...options, ...work }));
  });
}

/**
 * Writes a quantized model as a folder for vLLM and transformers, by compressed-tensors' rules.
 *
 * @example
 * ```ts
 * import { exportFolder } from "fptq/core";
 *
 * await exportFolder(modelLocation, outputFolder, { format: "w4a8-int" });
 * ```
 * @param output committed when everything is written; discarded if anything fails
 * @throws UnsupportedModelError for a model without 4-bit symmetric weights, or of a layout that others do
 *   not read; CheckpointError; NumericError; OptionError; AbortError
 */
export async function exportFolder(
  location: ModelLocation,
  output: OutputFolder,
  options: ExportFolderOptions,
): Promise<FolderExport> {
  return discardingOnError(output, async () => {
    checkOptions(options, EXPORT_FOLDER_OPTIONS, SOURCE_OPTIONS);
    return exported(location, options, (checkpoint, work) => writeFolder(checkpoint, output, { ...options, ...work }));
  });
}

function exported<T>(
  location: ModelLocation,
  options: Omit<WorkOptions, "threads">,
  write: (checkpoint: Checkpoint, work: Pick<WorkOptions, "onProgress">) => Promise<T>,
): Promise<T> {
  return withModel(location, options, (checkpoint) =>
    withPacedProgress(options.onProgress, (onProgress) => write(checkpoint, { onProgress })),
  );
}

async function discardingOnError<T>(output: Pick<OutputFile, "discard">, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    await output.discard();
    throw error;
  }
}

/**
 * Activation ranges of each layer input, and what the recipe would do with them (FPTQ, section 3.2 and Tables
 * 8 and 9).
 *
 * @example
 * ```ts
 * import { analyze } from "fptq/core";
 *
 * const inputs = await analyze(modelLocation, host, { samples: 8 });
 * ```
 * @throws as `quantize`
 */
export async function analyze(location: ModelLocation, host: Host, options: AnalyzeOptions = {}): Promise<InputAnalysis[]> {
  checkOptions(options, QUANTIZE_OPTIONS, SOURCE_OPTIONS);
  const recipe = resolveRecipe(options.recipe, withOptionKeys(options, RECIPE_OPTIONS));
  return withModel(location, options, async (checkpoint) => {
    const { samples } = calibrationSamples(checkpoint, options);
    const stats = await withWork(host, options, (work) => calibrate(checkpoint, samples, work));
    const smooth = recipe.equalize.kind === "smoothquant";
    const weightStats = smooth ? await collectWeightStats(checkpoint, options.signal) : undefined;
    return analyzeInputs(describeModel(checkpoint.config), stats, recipe.equalize, weightStats);
  });
}

/**
 * Tells where a quantized model's loss comes from: how far its predictions are from those of the float model
 * it was made of, as it is and with each of its parts put back to float, alone and one after another.
 *
 * @example
 * ```ts
 * import { lossByPart } from "fptq/core";
 *
 * const { parts } = await lossByPart(modelLocation, baseLocation, text, host);
 * ```
 * @param base the float model
 * @throws OptionError if the two differ in size or vocabulary, the base is quantized, the text is shorter
 *   than one chunk or an option is outside its domain; UnsupportedModelError if the weights of one are not
 *   those of the other, rounded; CheckpointError; CapabilityError; NumericError; AbortError
 */
export async function lossByPart(
  location: ModelLocation,
  base: ModelLocation,
  text: string,
  host: Host,
  options: parts.LossByPartOptions = {},
): Promise<parts.LossByPart> {
  checkOptions(options, parts.LOSS_BY_PART_OPTIONS, SOURCE_OPTIONS);
  return withModel(location, options, (quantized) =>
    withModel(base, options, (float) =>
      withWork(host, options, (work) => parts.lossByPart(quantized, float, text, options, work)),
    ),
  );
}

function withWork<T>(host: Host, options: WorkOptions, run: (work: Work) => Promise<T>): Promise<T> {
  const { threads, signal, onWarning } = options;
  return withPacedProgress(options.onProgress, (onProgress) => run({ host, threads, signal, onProgress, onWarning }));
}
