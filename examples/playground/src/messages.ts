/** What the page and its two workers say to each other. Plain data; files travel by reference. */
import type {
  ChatMessage,
  GenerateOptions,
  GenerationResult,
  BuildName,
  Progress,
  QuantizationReport,
  QuantizeOptions,
  SamplingOptions,
} from "fptq";
import type { LayerPolicies } from "./policies.ts";

/** A URL, an `hf:` name, or files: one GGUF, or those of a model folder. */
export type Source = string | FileSource;

export interface FileSource {
  /** The name of the file or folder. */
  readonly name: string;
  readonly files: readonly File[];
}

export type EngineRequest =
  | {
      readonly kind: "load";
      readonly source: Source;
      readonly threads: number | undefined;
      readonly build: BuildName | "auto";
      /** Whether weights and cache are to be float32, whatever the files say. */
      readonly floats?: boolean;
    }
  | { readonly kind: "generate"; readonly messages: readonly ChatMessage[]; readonly options: GenerateOptions }
  | { readonly kind: "stop" }
  | TaskRequest;

/** Each worker says first that it has started. */
export type EngineEvent =
  | { readonly kind: "started" }
  | { readonly kind: "progress"; readonly progress: Progress }
  | { readonly kind: "warning"; readonly message: string }
  | { readonly kind: "loaded"; readonly model: ModelDescription }
  | { readonly kind: "policies"; readonly policies: LayerPolicies | undefined; readonly indexHash: string | undefined }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "generated"; readonly result: GenerationResult }
  | { readonly kind: "failed"; readonly work: "load" | "generate"; readonly failure: Failure }
  | TaskEvent;

/** What was said, by whom. */
export type Said = { readonly role: "system" | "user" | "assistant"; readonly content: string };

export interface Token {
  readonly id: number;
  readonly text: string;
}

/** What a model is asked beside the conversation. */
export type Task =
  | { readonly name: "write"; readonly messages: readonly ChatMessage[]; readonly options: GenerateOptions }
  | { readonly name: "embed"; readonly query: string; readonly documents: readonly string[] }
  | { readonly name: "tokens"; readonly messages: readonly Said[]; readonly maxTokens: number }
  | { readonly name: "choices"; readonly ids: readonly number[]; readonly count: number }
  | { readonly name: "digest"; readonly text: string };

export interface TaskResults {
  readonly write: GenerationResult;
  readonly embed: {
    /** Cosine of each document and the query. */
    readonly scores: readonly number[];
    readonly dimensions: number;
    readonly pooling: string;
    /** Whether the model was made for vectors of texts. */
    readonly made: boolean;
  };
  readonly tokens: { readonly prompt: readonly number[]; readonly tokens: readonly Token[]; readonly tokensPerSecond: number };
  readonly choices: readonly Token[];
  readonly digest: { readonly hash: string; readonly tokens: number; readonly numbers: number };
}

export type TaskRequest =
  { readonly kind: "run"; readonly id: number; readonly task: Task } | { readonly kind: "cancel"; readonly id: number };

export type TaskEvent =
  | { readonly kind: "piece"; readonly id: number; readonly text: string }
  | { readonly kind: "result"; readonly id: number; readonly value: TaskResults[Task["name"]] }
  | { readonly kind: "refused"; readonly id: number; readonly failure: Failure };

export interface ModelDescription {
  readonly architecture: string;
  readonly layers: number;
  readonly contextSize: number;
  readonly threads: number;
  readonly build: BuildName;
  /** Whether it has a template for conversations; otherwise it continues text. */
  readonly chats: boolean;
  /** What its authors recommend, for options that are left empty. */
  readonly recommendedSampling: SamplingOptions;
  /** Bytes in memory. */
  readonly memory: number;
  readonly seconds: number;
}

export type QuantizeRequest =
  | {
      readonly kind: "quantize";
      readonly source: Source;
      readonly options: Pick<QuantizeOptions, "recipe" | "samples" | "contextSize" | "calibration">;
    }
  | { readonly kind: "cancel" }
  | { readonly kind: "zip" };

export type QuantizeEvent =
  | { readonly kind: "started" }
  | { readonly kind: "progress"; readonly progress: Progress }
  | { readonly kind: "quantized"; readonly files: readonly File[]; readonly report: QuantizationReport }
  | { readonly kind: "cancelled" }
  | { readonly kind: "zipped"; readonly zip: Blob }
  | { readonly kind: "failed"; readonly failure: Failure };

/** An error, as much of it as survives being sent. */
export interface Failure {
  readonly name: string;
  readonly message: string;
  /** HTTP status, of a download. */
  readonly status?: number | undefined;
}

export function failureOf(error: unknown): Failure {
  if (!(error instanceof Error)) return { name: "Error", message: String(error) };
  const { name, message, status } = error as Error & { status?: unknown };
  return { name, message, status: typeof status === "number" ? status : undefined };
}
