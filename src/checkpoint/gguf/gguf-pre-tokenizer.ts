/**
 * `tokenizer.ggml.pre`: how text is cut before byte-level BPE. A GGUF only names the rule; these are the
 * rules, as in the `tokenizer.json` of the models the names stand for and in llama.cpp `src/llama-vocab.cpp`,
 * which says what names share a rule.
 *
 * Each is written as explicit patterns: the `Digits` and `ByteLevel` steps of `tokenizer.json` mean the same,
 * but engines disagree on which characters their built-in expressions call digits and spaces.
 */
import { UnsupportedModelError } from "../../errors.ts";
import { shown } from "../../need.ts";
import type { GgufMetadata } from "./gguf-metadata.ts";
import * as patterns from "./split-patterns.ts";

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

function rule(pattern: readonly string[], others: Partial<PreTokenizer> = {}): PreTokenizer {
  return { normalizer: null, pattern, ignoreMerges: false, addsBos: false, ...others };
}

const NFC = { normalizer: { type: "NFC" } } as const;
const LLAMA3 = { ignoreMerges: true, addsBos: true } as const;
const { EACH_NUMBER, GPT2_PATTERN, LLAMA3_PATTERN, QWEN2_PATTERN, NUMBERS } = patterns;
const UP_TO_THREE = String.raw`\p{N}{1,3}`;

/** Names that share a rule, and the rule. */
const RULES: readonly (readonly [names: string, rule: PreTokenizer])[] = [
  ["smollm starcoder refact command-r codeshell exaone minerva-7b mellum2", rule([EACH_NUMBER, GPT2_PATTERN])],
  [
    "gpt-2 phi-2 gigachat a.x-4.0 mellum exaone4 jais trillion granite-docling jina-es jina-de jina-v2-es jina-v2-de modern-bert mpt olmo",
    rule([GPT2_PATTERN]),
  ],
  ["llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano", rule([LLAMA3_PATTERN], LLAMA3)],
  ["dbrx smaug-bpe glm4 chatglm-bpe", rule([LLAMA3_PATTERN])],
  ["qwen2 deepseek-r1-qwen megrez kormo f2llmv2", rule([QWEN2_PATTERN], NFC)],
  ["stablelm2 hunyuan solar-open grok-2", rule([QWEN2_PATTERN])],
  ["qwen35", rule([patterns.QWEN35_PATTERN], NFC)],
  ["ufakzeka", rule([patterns.UFAKZEKA_PATTERN])],
  ["seed-coder", rule([patterns.SEED_CODER_PATTERN])],
  ["bailingmoe bailingmoe2 llada-moe", rule([patterns.BAILING_PATTERN])],
  ["jais-2", rule([patterns.JAIS2_PATTERN])],
  ["exaone-moe", rule([patterns.EXAONE_MOE_PATTERN])],
  ["minicpm5", rule([UP_TO_THREE, patterns.MINICPM5_PATTERN], { ignoreMerges: true })],
  ["laguna", rule([patterns.LINE_OR_BREAKS, QWEN2_PATTERN])],
  ["tekken", rule([patterns.TEKKEN_PATTERN], LLAMA3)],
  ["gpt-4o llama4 kanana2 talkie minimax-m2", rule([patterns.GPT4O_PATTERN])],
  ["youtu", rule([patterns.YOUTU_SCRIPTS, patterns.YOUTU_PATTERN], { ignoreMerges: true })],
  ["deepseek-v3 hunyuan-dense joyai-llm hy_v4", rule([UP_TO_THREE, patterns.CHINESE_AND_KANA, patterns.DEEPSEEK3_PATTERN])],
  ["spark2_5", rule([UP_TO_THREE, patterns.CHINESE_AND_KANA, patterns.SPARK25_PATTERN, EACH_NUMBER])],
  [
    "deepseek-llm",
    rule([
      patterns.LINE_BREAK,
      patterns.DEEPSEEK_WORD,
      patterns.DEEPSEEK_SIGNS,
      patterns.SPACES_AT_END,
      patterns.CHINESE_AND_HANGUL,
      NUMBERS,
    ]),
  ],
  [
    "deepseek-coder",
    rule([patterns.LINE_BREAK, patterns.CODER_WORD, patterns.CODER_SIGNS, patterns.CHINESE_AND_HANGUL, EACH_NUMBER]),
  ],
  ["falcon", rule([patterns.FALCON_SIGNS, GPT2_PATTERN, patterns.THREE_DIGITS])],
  ["bloom poro-chat gpt3-finnish", rule([patterns.BLOOM_PATTERN])],
  ["viking", rule([patterns.BLOOM_PATTERN, EACH_NUMBER])],
  ["default", rule([patterns.DEFAULT_SIGNS, GPT2_PATTERN, NUMBERS, patterns.THREE_DIGITS])],
];

export const PRE_TOKENIZERS: ReadonlyMap<string, PreTokenizer> = new Map(
  RULES.flatMap(([names, found]) => names.split(" ").map((name) => [name, found] as const)),
);

/**
 * The rule a file names. One that names none gets that of llama.cpp for such files, with a note.
 * @throws UnsupportedModelError if the name is not known
 */
export function preTokenizer(metadata: GgufMetadata, file: string): PreTokenizer {
  const name = metadata.string("tokenizer.ggml.pre") ?? "default";
  const found = PRE_TOKENIZERS.get(name);
  if (found !== undefined) return found;
  const known = [...PRE_TOKENIZERS.keys()].join(", ");
  throw new UnsupportedModelError(`${file}: tokenizer.ggml.pre: got ${shown(name)}, need one of ${known}`);
}

/** What is to be said of a file's rule; undefined if it names one. */
export function preTokenizerNote(metadata: GgufMetadata, file: string): string | undefined {
  const name = metadata.string("tokenizer.ggml.pre");
  if (name !== undefined && name !== "default") return undefined;
  return `${file}: tokenizer.ggml.pre: got ${name === undefined ? "nothing" : shown(name)}; text is cut by a rule that may not be the model's, which can make its answers worse`;
}
