/**
 * What the command line calls: the part of `src/index.ts` it needs, and nothing else. It is loaded on first use, so that `--help` and
 * usage errors answer at once, and handed to commands as a value, so that tests of parsing and printing need no model.
 */
import type {
  AnalyzeOptions,
  InputAnalysis,
  LanguageModel,
  LoadOptions,
  PerplexityOptions,
  PerplexityResult,
  QuantizeOptions,
  QuantizationReport,
} from "../index.ts";

/** What commands do with a loaded model. */
export type LoadedModel = Pick<LanguageModel, "generate" | "memory" | typeof Symbol.asyncDispose>;

export interface Library {
  loadModel(path: string, options?: LoadOptions): Promise<LoadedModel>;
  quantize(path: string, options: QuantizeOptions): Promise<QuantizationReport>;
  analyze(path: string, options: AnalyzeOptions): Promise<InputAnalysis[]>;
  /** @param model one that `loadModel` gave */
  perplexity(model: LoadedModel, text: string, options: PerplexityOptions): Promise<PerplexityResult>;
}
