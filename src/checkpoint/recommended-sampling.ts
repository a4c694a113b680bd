/**
 * Sampling that a model's authors recommend, and its names in `generation_config.json` (transformers,
 * `GenerationConfig`) and in the metadata of a GGUF (llama.cpp, `general.sampling.*`).
 *
 * `do_sample` is not among them: as in vLLM and llama.cpp, whoever wants the most likely token asks for
 * temperature 0.
 */
import { CheckpointError } from "../errors.ts";
import type { JsonObject } from "../json-object.ts";
import { needing } from "../need.ts";

/** What the authors say nothing about is absent. Meanings are those of `SamplingOptions`. */
export interface RecommendedSampling {
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly repeatPenalty?: number;
  readonly repeatLastN?: number;
}

interface SamplingKey {
  readonly option: keyof RecommendedSampling;
  readonly json: string;
  /** After "general.sampling.". */
  readonly gguf: string;
  readonly whole?: true;
  readonly min: number;
  readonly max: number;
}

/** The domains are those of the options, `src/decoding/sampling/sampling.ts`. */
const SAMPLING_KEYS: readonly SamplingKey[] = [
  { option: "temperature", json: "temperature", gguf: "temp", min: 0, max: 1e6 },
  { option: "topK", json: "top_k", gguf: "top_k", whole: true, min: 0, max: Number.MAX_SAFE_INTEGER },
  { option: "topP", json: "top_p", gguf: "top_p", min: 0, max: 1 },
  { option: "minP", json: "min_p", gguf: "min_p", min: 0, max: 1 },
  { option: "repeatPenalty", json: "repetition_penalty", gguf: "penalty_repeat", min: 1e-3, max: 1e3 },
  // transformers has no such key: its penalty sees every token. This is where the other one is kept.
  { option: "repeatLastN", json: "repeat_last_n", gguf: "penalty_last_n", whole: true, min: -1, max: Number.MAX_SAFE_INTEGER },
];

/** The window of `repetition_penalty` in transformers: the prompt and all that was generated. */
const ALL_TOKENS = -1;

const need = needing(CheckpointError);

/**
 * Sampling by the keys of a file.
 *
 * @param format whose names the keys have
 * @param value gives what the file has for a key, undefined or null for nothing
 * @param file for messages
 * @throws CheckpointError naming the key, for a value outside its domain
 */
export function readRecommendedSampling(
  format: "json" | "gguf",
  value: (key: string) => unknown,
  file: string,
): RecommendedSampling {
  const sampling: { -readonly [K in keyof RecommendedSampling]: number } = {};
  for (const { option, whole, min, max, ...names } of SAMPLING_KEYS) {
    const key = format === "gguf" ? `general.sampling.${names.gguf}` : names.json;
    const found = value(key) ?? undefined;
    if (found === undefined) continue;
    sampling[option] = whole ? need.whole(`${file}: ${key}`, found, min, max) : need.real(`${file}: ${key}`, found, min, max);
  }
  if (format === "json" && sampling.repeatPenalty !== undefined) sampling.repeatLastN ??= ALL_TOKENS;
  return sampling;
}

/** Metadata of a GGUF that `readRecommendedSampling` reads back. */
export function ggufSampling(sampling: RecommendedSampling): { key: string; value: number; whole: boolean }[] {
  return SAMPLING_KEYS.flatMap(({ option, gguf, whole = false }) => {
    const value = sampling[option];
    return value === undefined ? [] : [{ key: `general.sampling.${gguf}`, value, whole }];
  });
}

/** The keys of `generation_config.json` that say the same. */
export function writeRecommendedSampling(sampling: RecommendedSampling): JsonObject {
  const stated = SAMPLING_KEYS.filter(({ option }) => sampling[option] !== undefined);
  const written = stated.filter(({ option }) => option !== "repeatLastN" || sampling.repeatLastN !== ALL_TOKENS);
  return {
    // transformers warns about sampling settings beside greedy decoding, its default.
    ...(stated.length > 0 && { do_sample: true }),
    ...Object.fromEntries(written.map(({ option, json }) => [json, sampling[option]])),
  };
}
