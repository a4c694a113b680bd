/**
 * The functions the command line calls: the part of `src/index.ts` it needs, and nothing else. It is loaded
 * on first use, so that `--help` and usage errors answer at once, and handed to commands as a value, so that
 * tests of parsing and printing need no model.
 */
import type {
  AnalyzeOptions,
  BatchedSpeedResult,
  BatchedSpeedTest,
  ChoiceComparison,
  ChoiceItem,
  ChoiceResult,
  DiagnoseOptions,
  ExportFolderOptions,
  ExportGgufOptions,
  FolderExport,
  GgufExport,
  Diagnosis,
  EvaluationOptions,
  InputAnalysis,
  KlDivergenceOptions,
  KlDivergenceResult,
  LambadaComparison,
  LambadaItem,
  LambadaResult,
  LanguageModel,
  LoadOptions,
  LossByPart,
  LossByPartOptions,
  PerplexityOptions,
  PerplexityResult,
  QuantizeOptions,
  QuantizationReport,
  SourceOptions,
  SpeedOptions,
  SpeedResult,
  SpeedTest,
} from "../index.ts";
import type { listen, remoteAddress } from "../host/node/node-http-server.ts";
import type { createServer } from "../server.ts";

/** The part of a loaded model that commands use. */
export type LoadedModel = Pick<
  LanguageModel,
  "generate" | "embed" | "rerank" | "memory" | "recommendedSampling" | typeof Symbol.asyncDispose
> & {
  readonly forwardPass: Pick<LanguageModel["forwardPass"], "threads" | "build" | "kernelBuild" | "kvCache">;
};

export interface Library {
  loadModel(source: string, options?: LoadOptions & SourceOptions): Promise<LoadedModel>;
  quantize(source: string, options: QuantizeOptions): Promise<QuantizationReport>;
  exportFolder(source: string, options: ExportFolderOptions): Promise<FolderExport>;
  exportGguf(source: string, options: ExportGgufOptions): Promise<GgufExport>;
  analyze(source: string, options: AnalyzeOptions & SourceOptions): Promise<InputAnalysis[]>;
  /** @param model one that `loadModel` gave, as below */
  measureSpeed(model: LoadedModel, test: SpeedTest, options: SpeedOptions): Promise<SpeedResult>;
  /** @param model one that `loadModel` gave, as below */
  measureBatchedSpeed(
    model: LoadedModel,
    test: BatchedSpeedTest,
    options: Pick<SpeedOptions, "signal">,
  ): Promise<BatchedSpeedResult>;
  diagnose(options: DiagnoseOptions): Promise<Diagnosis>;
  perplexity(model: LoadedModel, text: string, options: PerplexityOptions): Promise<PerplexityResult>;
  klDivergence(base: LoadedModel, model: LoadedModel, text: string, options: KlDivergenceOptions): Promise<KlDivergenceResult>;
  lossByPart(quantized: string, base: string, text: string, options: LossByPartOptions & SourceOptions): Promise<LossByPart>;
  parseLambadaItems(content: string, name: string): LambadaItem[];
  lambada(model: LoadedModel, items: readonly LambadaItem[], options: EvaluationOptions): Promise<LambadaResult>;
  compareLambada(model: LambadaResult, base: LambadaResult): LambadaComparison;
  parseChoiceItems(content: string, name: string): ChoiceItem[];
  multipleChoice(model: LoadedModel, items: readonly ChoiceItem[], options: EvaluationOptions): Promise<ChoiceResult>;
  compareChoices(model: ChoiceResult, base: ChoiceResult): ChoiceComparison;
}

/** A server of models, and what makes it listen. */
export interface ServerLibrary {
  readonly createServer: typeof createServer;
  readonly listen: typeof listen;
  readonly remoteAddress: typeof remoteAddress;
}
