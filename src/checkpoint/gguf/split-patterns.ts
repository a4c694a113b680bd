/**
 * The regular expressions by which models in use cut text before byte-level BPE, in Oniguruma's syntax, as in
 * their `tokenizer.json`; where llama.cpp's differ (`src/llama-vocab.cpp`), it is because its engine has no
 * classes of Unicode.
 */

/** Each digit, and each other number character, on its own. */
export const EACH_NUMBER = String.raw`\p{N}`;
/** GPT-2, and `ByteLevel` of `tokenizer.json`. */
export const GPT2_PATTERN = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;

/** Contractions in either case. */
const SHORT = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)`;
const WORD = String.raw`[^\r\n\p{L}\p{N}]?\p{L}+`;
const SIGNS = String.raw` ?[^\s\p{L}\p{N}]+[\r\n]*`;
const UP_TO_THREE = String.raw`\p{N}{1,3}`;
const LINES = String.raw`\s*[\r\n]+`;
const SPACES = String.raw`\s+(?!\S)|\s+`;

/** GPT-4's way, with the numbers of the model. */
const cl100k = (numbers: string) => [SHORT, WORD, numbers, SIGNS, LINES, SPACES].join("|");
export const LLAMA3_PATTERN = cl100k(UP_TO_THREE);
export const QWEN2_PATTERN = cl100k(EACH_NUMBER);
export const MINICPM5_PATTERN = cl100k(String.raw`\p{N}+`);
/** Without contractions, so that suffixes behind an apostrophe stay with it. */
export const UFAKZEKA_PATTERN = [WORD, EACH_NUMBER, SIGNS, LINES, SPACES].join("|");
export const SEED_CODER_PATTERN = [SHORT, WORD, String.raw`\p{N}{1}`, String.raw` ?[^\s\p{L}\p{N}\r\n]+`, LINES, SPACES].join(
  "|",
);
/** Marks belong to letters. */
export const QWEN35_PATTERN = [
  SHORT,
  String.raw`[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+`,
  EACH_NUMBER,
  String.raw` ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*`,
  LINES,
  SPACES,
].join("|");
/** Spaces in steps of powers of two. */
export const JAIS2_PATTERN = [
  SHORT,
  WORD,
  UP_TO_THREE,
  SIGNS,
  LINES,
  ...[512, 256, 128, 64, 32, 16, 8, 4].map((count) => String.raw`\s{${count}}(?!\S)`),
  String.raw`\s{1,2}(?!\S)|\s{1}`,
].join("|");
/** Words of one language hang together over spaces. */
export const EXAONE_MOE_PATTERN = [
  SHORT,
  String.raw`[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+`,
  EACH_NUMBER,
  String.raw` ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]`,
  SPACES,
].join("|");
/** The model's own has possessive repetitions, which change nothing: what follows is of another kind. */
export const BAILING_PATTERN = [
  "'(?i:[sdmt]|ll|ve|re)",
  WORD,
  EACH_NUMBER,
  String.raw` ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]`,
  SPACES,
].join("|");

/** o200k's way: a word ends where capitals begin. */
const o200k = (contractions: string, numbers: string) => {
  const [upper, lower] = [String.raw`\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}`, String.raw`\p{Ll}\p{Lm}\p{Lo}\p{M}`];
  const before = String.raw`[^\r\n\p{L}\p{N}]?`;
  return [
    `${before}[${upper}]*[${lower}]+${contractions}`,
    `${before}[${upper}]+[${lower}]*${contractions}`,
    numbers,
    String.raw` ?[^\s\p{L}\p{N}]+[\r\n/]*`,
    LINES,
    SPACES,
  ].join("|");
};
export const GPT4O_PATTERN = o200k(`${SHORT}?`, UP_TO_THREE);
export const TEKKEN_PATTERN = o200k("", EACH_NUMBER);
export const YOUTU_PATTERN = o200k(`${SHORT}?`, EACH_NUMBER);
export const YOUTU_SCRIPTS =
  "[\uac00-\ud7a3\u3131-\u318e]+|[\uff01\u2026\u201c\u201d\u2018\u2019\u2014\uff1a\uff1b\uff0c\u3001-\u303f\ufe30-\ufe4f]+|" +
  "[\u3105-\u312f]+|[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+";

export const CHINESE_AND_KANA = "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+";
const deepSeek3 = (signs: string) =>
  ["[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+", String.raw`[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+`, signs, SPACES].join(
    "|",
  );
export const DEEPSEEK3_PATTERN = deepSeek3(String.raw` ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+`);
export const SPARK25_PATTERN = deepSeek3(String.raw` ?[\p{P}\p{S}]+|[\r\n]`);

export const LINE_BREAK = String.raw`[\r\n]`;
export const CODER_WORD = String.raw`\s?\p{L}+`;
export const CODER_SIGNS = String.raw`\s?\p{P}+`;
export const CHINESE_AND_HANGUL = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+";
export const SPACES_AT_END = String.raw`\s+$`;
/** The cased letters of the model's authors, as code points. */
const CASED = `
  41-5a 61-7a b5 c0-d6 d8-f6 f8-1ba 1bc-1bf 1c4-293 295-2af 370-373 376 377 37b-37d 37f 386 388-38a 38c
  38e-3a1 3a3-3f5 3f7-481 48a-52f 531-556 10a0-10c5 13a0-13f5 13f8-13fd 1c90-1cba 1cbd-1cbf 1d00-1d2b
  1d6b-1d77 1d79-1d9a 1e00-1f15 1f18-1f1d 1f20-1f45 1f48-1f4d 1f50-1f57 1f59 1f5b 1f5d 1f5f-1f7d 1f80-1fb4
  1fb6-1fbc 1fbe 1fc2-1fc4 1fc6-1fcc 1fd0-1fd3 1fd6-1fdb 1fe0-1fec 1ff2-1ff4 1ff6-1ffc 2102 2107 210a-2113
  2115 2119-211d 2124 2126 2128 212a-212d 212f-2134 2139 213c-213f 2145-2149 214e 2183 2184 2c00-2c7b
  2c7e-2ce4 2ceb-2cee 2cf2 2cf3 a640-a66d a680-a69b a722-a76f a771-a787 a78b-a78e ab70-abbf fb00-fb06
  fb13-fb17 ff21-ff3a ff41-ff5a 10400-1044f 104b0-104d3 104d8-104fb 10c80-10cb2 10cc0-10cf2 118a0-118df
  1e900-1e943
`;
const cased = CASED.trim()
  .split(/\s+/)
  .map((range) =>
    range
      .split("-")
      .map((code) => String.fromCodePoint(Number.parseInt(code, 16)))
      .join("-"),
  );
export const DEEPSEEK_WORD = String.raw`\s?[${cased.join("")}]+`;
export const DEEPSEEK_SIGNS = "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+";

export const BLOOM_PATTERN = " ?[^(\\s|[.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c])]+";
export const FALCON_SIGNS = "[\\p{P}\\$\\+<=>\\^~\\|`]+";
export const DEFAULT_SIGNS = String.raw`[\p{P}\$\+<=>\^~\|]+`;
export const THREE_DIGITS = "[0-9][0-9][0-9]";
export const NUMBERS = String.raw`\p{N}+`;
export const LINE_OR_BREAKS = String.raw`[^\n]+|[\n]+`;

/**
 * Patterns that the engine's own `RegExp` may run: backtracking takes time proportional to the text. They
 * match at every place, or nowhere near without reading on, and what an alternative reads in vain is taken by
 * a later one.
 */
export const KNOWN_PATTERNS: ReadonlySet<string> = new Set(
  [
    GPT2_PATTERN, LLAMA3_PATTERN, QWEN2_PATTERN, MINICPM5_PATTERN, UFAKZEKA_PATTERN, SEED_CODER_PATTERN, QWEN35_PATTERN,
    BAILING_PATTERN, GPT4O_PATTERN, TEKKEN_PATTERN, YOUTU_PATTERN, YOUTU_SCRIPTS, DEEPSEEK3_PATTERN, SPARK25_PATTERN, CODER_WORD,
    CODER_SIGNS, DEEPSEEK_WORD, DEEPSEEK_SIGNS, BLOOM_PATTERN, THREE_DIGITS, LINE_OR_BREAKS,
  ].flatMap((pattern) => [pattern, pattern.replaceAll(String.raw`\r\n`, "\r\n")]), // some files have the characters themselves
); // prettier-ignore
