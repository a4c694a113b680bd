/**
 * Models worth trying in a page: the one that comes with it, then some of the Hugging Face Hub, by what they
 * cost to download. Sizes are those the Hub lists for these files; the library checks digests, not these.
 */
import { EMBEDDED, EMBEDDED_MODEL } from "./sources.ts";

export interface ListedModel {
  readonly name: string;
  /** How its weights are stored. */
  readonly form: string;
  readonly source: string;
  /** Size of the download; undefined for a model whose folder was not there when the page was built. */
  readonly bytes: number | undefined;
  readonly note: string;
}

const hub = (repository: string, file: string) => `hf:${repository}/${file}`;

export const MODELS: readonly ListedModel[] = [
  {
    name: EMBEDDED_MODEL?.name ?? "Built-in model",
    form: "W4A8",
    source: EMBEDDED,
    bytes: EMBEDDED_MODEL?.bytes,
    note: "comes with the page",
  },
  {
    name: "SmolLM2-135M-Instruct",
    form: "Q8_0",
    source: hub("mradermacher/SmolLM2-135M-Instruct-GGUF", "SmolLM2-135M-Instruct.Q8_0.gguf"),
    bytes: 145e6,
    note: "the same with 8-bit weights",
  },
  {
    name: "SmolLM2-360M-Instruct",
    form: "Q4_0",
    source: hub("bartowski/SmolLM2-360M-Instruct-GGUF", "SmolLM2-360M-Instruct-Q4_0.gguf"),
    bytes: 230e6,
    note: "knows more, answers slower",
  },
  {
    name: "Qwen2.5-0.5B-Instruct",
    form: "Q4_0",
    source: hub("QuantFactory/Qwen2.5-0.5B-Instruct-GGUF", "Qwen2.5-0.5B-Instruct.Q4_0.gguf"),
    bytes: 352e6,
    note: "29 languages, calls tools",
  },
  {
    name: "Qwen3-Embedding-0.6B",
    form: "Q8_0",
    source: hub("Qwen/Qwen3-Embedding-0.6B-GGUF", "Qwen3-Embedding-0.6B-Q8_0.gguf"),
    bytes: 639e6,
    note: "made for search",
  },
];
