/**
 * `tokenizer.ggml.pre`: how text is cut before byte-level BPE. A GGUF only names the rule; these are the
 * rules, as in the `tokenizer.json` of the models the names stand for (SmolLM2, GPT-2, Llama 3, Qwen2) and in
 * llama.cpp `src/llama-vocab.cpp`.
 *
 * Each is written as explicit patterns: the `Digits` and `ByteLevel` steps of `tokenizer.json` mean the same,
 * but engines disagree on which characters their built-in expressions call digits and spaces.
 */
import { UnsupportedModelError } from "../../errors.ts";
import type { GgufMetadata } from "./gguf-metadata.ts";
import { EACH_NUMBER, GPT2_PATTERN, LLAMA3_PATTERN, QWEN2_PATTERN } from "./split-patterns.ts";

export interface PreTokenizer {
  /** `normalizer` of tokenizer.json. */
  readonly normalizer: { readonly type: "NFC" } | null;
  /** Applied one after the other; every match and every gap becomes a piece. */
  readonly pattern: readonly string[];
  /** A piece that is a token is taken whole, whatever the merges say. */
  readonly ignoreMerges: boolean;
  /** Whether texts begin with the beginning-of-sequence token unless the file says otherwise. */
  readonly addsBos: boolean;
}

const LLAMA3: PreTokenizer = {
  normalizer: null,
  pattern: [LLAMA3_PATTERN],
  ignoreMerges: true,
  addsBos: true,
};

const PRE_TOKENIZERS: ReadonlyMap<string, PreTokenizer> = new Map<string, PreTokenizer>([
  ["smollm", { normalizer: null, pattern: [EACH_NUMBER, GPT2_PATTERN], ignoreMerges: false, addsBos: false }],
  ["gpt-2", { normalizer: null, pattern: [GPT2_PATTERN], ignoreMerges: false, addsBos: false }],
  ["llama-bpe", LLAMA3],
  ["llama3", LLAMA3],
  ["llama-v3", LLAMA3],
  ["qwen2", { normalizer: { type: "NFC" }, pattern: [QWEN2_PATTERN], ignoreMerges: false, addsBos: false }],
]);

/** @throws UnsupportedModelError if the file names another pre-tokenizer, or none */
export function preTokenizer(metadata: GgufMetadata, file: string): PreTokenizer {
  const name = metadata.string("tokenizer.ggml.pre");
  const found = name === undefined ? undefined : PRE_TOKENIZERS.get(name);
  if (found === undefined) {
    const known = [...PRE_TOKENIZERS.keys()].join(", ");
    const got = name === undefined ? "nothing" : `"${name}"`;
    throw new UnsupportedModelError(`${file}: tokenizer.ggml.pre: got ${got}, need one of ${known}`);
  }
  return found;
}
