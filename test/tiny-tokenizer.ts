/** A byte-level BPE tokenizer small enough to print, in the files of a Hugging Face folder. */

const SPECIAL_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];
export const TINY_BOS = 1;
export const TINY_EOS = 2;

/** What the merges are learned from. */
const CORPUS =
  "the cat sat on the mat and the dog ran to the other end of the house where there was a red ball that the cat had seen " +
  "before it went into the garden; one of the hens in the garden then ate all of the corn that was on the stone and the other hens ran";

/**
 * Byte -> the printable character that stands for it in a byte-level vocabulary (GPT-2, `bytes_to_unicode`).
 */
function byteAlphabet(): string[] {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(isPrintable(byte) ? byte : next++));
}

function isPrintable(byte: number): boolean {
  return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
}

/** The most frequent pair again and again, the first in code-unit order among equals. */
function learnMerges(count: number, alphabet: readonly string[]): [string, string][] {
  let words = CORPUS.split(/(?= )/).map((word) => Array.from(word, (char) => alphabet[char.codePointAt(0)!]!));
  const merges: [string, string][] = [];
  while (merges.length < count) {
    const counts = new Map<string, number>();
    for (const word of words) {
      for (let i = 1; i < word.length; i++) {
        const pair = `${word[i - 1]} ${word[i]}`;
        counts.set(pair, (counts.get(pair) ?? 0) + 1);
      }
    }
    const [best] = [...counts].toSorted(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))[0] ?? [];
    if (best === undefined) throw new Error(`the corpus gives ${merges.length} merges, ${count} wanted`);
    const [left, right] = best.split(" ") as [string, string];
    merges.push([left, right]);
    words = words.map((word) => {
      const merged: string[] = [];
      for (const piece of word) {
        if (piece === right && merged.at(-1) === left) merged[merged.length - 1] = left + right;
        else merged.push(piece);
      }
      return merged;
    });
  }
  return merges;
}

/** @param vocabSize at least 259: three special tokens and 256 bytes; the rest are merges */
export function tinyTokenizer(vocabSize: number): {
  tokenizerJson: Record<string, unknown>;
  tokenizerConfig: Record<string, unknown>;
} {
  const alphabet = byteAlphabet();
  const merges = learnMerges(vocabSize - SPECIAL_TOKENS.length - 256, alphabet);
  const pieces = [...SPECIAL_TOKENS, ...alphabet, ...merges.map(([left, right]) => left + right)];
  return {
    tokenizerJson: {
      version: "1.0",
      truncation: null,
      padding: null,
      added_tokens: SPECIAL_TOKENS.map((content, id) => ({
        id,
        content,
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special: true, // prettier-ignore
      })),
      normalizer: null,
      pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
      post_processor: null,
      decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
      model: {
        type: "BPE",
        dropout: null,
        unk_token: null,
        continuing_subword_prefix: null,
        end_of_word_suffix: null,
        fuse_unk: false,
        byte_fallback: false,
        vocab: Object.fromEntries(pieces.map((piece, id) => [piece, id])),
        merges: merges.map((pair) => pair.join(" ")),
      },
    },
    tokenizerConfig: {
      tokenizer_class: "GPT2Tokenizer",
      bos_token: SPECIAL_TOKENS[TINY_BOS],
      eos_token: SPECIAL_TOKENS[TINY_EOS],
      unk_token: SPECIAL_TOKENS[0],
      add_bos_token: false,
      add_prefix_space: false,
      clean_up_tokenization_spaces: false,
      model_max_length: 256,
      chat_template:
        "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}" +
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    },
  };
}
