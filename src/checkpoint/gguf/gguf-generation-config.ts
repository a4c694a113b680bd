/** Metadata of a GGUF to what decoding reads. */
import type { GenerationConfig } from "../checkpoint.ts";
import { readRecommendedSampling } from "../recommended-sampling.ts";
import { type GgufMetadata, shortestDecimal } from "./gguf-metadata.ts";

/**
 * Names of control tokens that end a turn, for files that do not say which token does (llama.cpp
 * `src/llama-vocab.cpp`).
 */
const END_OF_TURN_TOKENS: ReadonlySet<string> = new Set(["<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>"]);
const CONTROL_TOKEN = 3;

/**
 * The tokens that end a generation, and the sampling the model's authors recommend (`general.sampling.*`).
 */
export function ggufGenerationConfig(metadata: GgufMetadata, vocabSize: number, file: string): GenerationConfig {
  const eosTokenIds = new Set<number>();
  for (const name of ["eos", "eot", "eom"]) {
    const id = metadata.tokenId(`tokenizer.ggml.${name}_token_id`, vocabSize);
    if (id !== undefined) eosTokenIds.add(id);
  }
  if (!metadata.has("tokenizer.ggml.eot_token_id")) {
    const types = metadata.numbers("tokenizer.ggml.token_type");
    for (const [id, token] of (metadata.strings("tokenizer.ggml.tokens") ?? []).entries()) {
      if (types?.[id] === CONTROL_TOKEN && END_OF_TURN_TOKENS.has(token)) eosTokenIds.add(id);
    }
  }
  const number = (key: string) => {
    const value = metadata.number(key);
    return value === undefined ? undefined : shortestDecimal(value);
  };
  return { eosTokenIds: [...eosTokenIds], sampling: readRecommendedSampling("gguf", number, file) };
}
