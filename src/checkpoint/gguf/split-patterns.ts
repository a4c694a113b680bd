/**
 * The regular expressions by which models in use cut text before byte-level BPE, in Oniguruma's syntax, as in
 * their `tokenizer.json`. Backtracking takes time proportional to the text with each of them: they match at
 * every place, and what an alternative reads in vain is taken by a later one.
 */

/** Each digit, and each other number character, on its own. */
export const EACH_NUMBER = String.raw`\p{N}`;
/** GPT-2, and `ByteLevel` of `tokenizer.json`. */
export const GPT2_PATTERN = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;

/** GPT-4's, with the numbers of the model. */
const cl100k = (numbers: string) =>
  String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|${numbers}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
export const LLAMA3_PATTERN = cl100k(String.raw`\p{N}{1,3}`);
export const QWEN2_PATTERN = cl100k(EACH_NUMBER);

/** Patterns that the engine's own `RegExp` may run. */
export const KNOWN_PATTERNS: ReadonlySet<string> = new Set([GPT2_PATTERN, LLAMA3_PATTERN, QWEN2_PATTERN]);
