/**
 * What the command line calls. Loaded on first use, so that `--help` and usage errors answer at once, and handed to commands as a
 * value, so that tests of parsing and printing need no model.
 */
import type { GenerateOptions, GenerationResult } from "../decoding/generation-options.ts";
import type { PerplexityOptions, PerplexityResult } from "../evaluation/perplexity.ts";
import type { LoadOptions } from "../model/load-options.ts";
import type { InputAnalysis } from "../quantizer/analyse.ts";
import type { QuantizationReport } from "../quantizer/report.ts";
import type { OnProgress } from "../progress.ts";

export interface ChatMessage {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

export interface Generation extends AsyncIterable<string> {
  readonly result: Promise<GenerationResult>;
}

export interface LanguageModel extends AsyncDisposable {
  generate(prompt: string | readonly number[] | readonly ChatMessage[], options?: GenerateOptions): Generation;
  memory(): { weights: number; kvCache: number; scratch: number; total: number };
}

export type CalibrationSource = { kind: "text"; text: string; name: string } | { kind: "random"; seed: number };

export interface QuantizeOptions {
  output: string;
  force?: boolean | undefined;
  recipe?: string | undefined;
  groupSize?: 32 | 64 | 128 | undefined;
  v0?: number | undefined;
  v1?: number | undefined;
  alpha?: number | undefined;
  calibration?: CalibrationSource | undefined;
  samples?: number | undefined;
  contextSize?: number | undefined;
  embedding?: "q8" | "f16" | undefined;
  threads?: number | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: OnProgress | undefined;
}

export interface AnalyzeOptions {
  calibration?: CalibrationSource | undefined;
  samples?: number | undefined;
  contextSize?: number | undefined;
  threads?: number | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: OnProgress | undefined;
}

export interface Library {
  loadModel(path: string, options?: LoadOptions): Promise<LanguageModel>;
  quantize(path: string, options: QuantizeOptions): Promise<QuantizationReport>;
  analyze(path: string, options: AnalyzeOptions): Promise<InputAnalysis[]>;
  perplexity(model: LanguageModel, text: string, options: PerplexityOptions): Promise<PerplexityResult>;
}
