/**
 * The tokenizer of a GGUF (`tokenizer.ggml.*`, ggml `docs/gguf.md`) as the `tokenizer.json` and
 * `tokenizer_config.json` it was converted from, so that one implementation reads both and the writer can
 * store it.
 *
 * "gpt2" is byte-level BPE: vocabulary and merges are stored, the pre-tokenizer only by name
 * (`gguf-pre-tokenizer.ts`). "llama" is SentencePiece BPE: no merges are stored, scores rank the pieces
 * (`sentencepiece-merges.ts`).
 */
import { CheckpointError, UnsupportedModelError } from "../../errors.ts";
import type { TokenizerFiles } from "../checkpoint.ts";
import type { GgufMetadata } from "./gguf-metadata.ts";
import { preTokenizer, preTokenizerNote } from "./gguf-pre-tokenizer.ts";
import { parseJsonObject } from "../../json-object.ts";
import { sentencePieceMerges } from "./sentencepiece-merges.ts";

/** `tokenizer.ggml.token_type` (llama.cpp `include/llama.h`, `enum llama_token_type`). */
const TOKEN_TYPE = { unknown: 2, control: 3, userDefined: 4 } as const;

/** The character SentencePiece writes for a space. */
const SPACE_MARK = "\u2581";

interface Vocabulary {
  readonly tokens: readonly string[];
  readonly types: ArrayLike<number>;
  /** An object without a prototype, so that a token like "__proto__" is a token. */
  readonly ids: Readonly<Record<string, number>>;
}

/**
 * @returns undefined if the file has no tokenizer
 * @throws CheckpointError if its parts are missing or contradict each other
 * @throws UnsupportedModelError for another tokenizer model or pre-tokenizer
 */
export function ggufTokenizer(metadata: GgufMetadata, file: string): TokenizerFiles | undefined {
  const model = metadata.string("tokenizer.ggml.model");
  if (model === undefined || model === "none" || model === "no_vocab") return undefined;
  if (model !== "gpt2" && model !== "llama") {
    throw new UnsupportedModelError(
      `${file}: tokenizer.ggml.model: got "${model}", need "gpt2" (byte-level BPE) or "llama" (SentencePiece)`,
    );
  }
  const vocabulary = readVocabulary(metadata, file);
  const special = specialTokens(metadata, vocabulary, model, file);
  const whole = metadata.string("tokenizer.huggingface.json");
  const tokenizerJson =
    whole !== undefined
      ? parseJsonObject(whole, `${file}: tokenizer.huggingface.json`)
      : {
          ...(model === "gpt2"
            ? byteLevel(metadata, vocabulary, special, file)
            : sentencePiece(metadata, vocabulary, special, file)),
        };
  const note = model === "gpt2" && whole === undefined ? preTokenizerNote(metadata, file) : undefined;
  return { tokenizerJson, tokenizerConfig: tokenizerConfig(metadata, special), notes: note === undefined ? [] : [note] };
}

function readVocabulary(metadata: GgufMetadata, file: string): Vocabulary {
  const key = "tokenizer.ggml.tokens";
  const stored = metadata.required(key, metadata.strings(key));
  const tokens = stored.map((token, id) => (token === "" ? `[EMPTY_${id}]` : token));
  const types = metadata.numbers("tokenizer.ggml.token_type") ?? new Uint8Array(tokens.length).fill(1);
  if (types.length !== tokens.length)
    throw new CheckpointError(
      `${file}: tokenizer.ggml.token_type: got ${types.length} types, need one for each of the ${tokens.length} tokens`,
    );
  const ids = Object.create(null) as Record<string, number>;
  for (const [id, token] of tokens.entries()) {
    if (ids[token] !== undefined)
      throw new CheckpointError(`${file}: token "${token}": got the ids ${ids[token]} and ${id}, need one`);
    ids[token] = id;
  }
  return { tokens, types, ids };
}

/** Tokens with a role, by their text; undefined where the file names none. */
interface SpecialTokens {
  readonly bos: string | undefined;
  readonly eos: string | undefined;
  readonly unknown: string | undefined;
  readonly padding: string | undefined;
  readonly addBos: boolean;
  readonly addEos: boolean;
}

function specialTokens(metadata: GgufMetadata, { tokens }: Vocabulary, model: "gpt2" | "llama", file: string): SpecialTokens {
  // The ids SentencePiece models have unless they say otherwise (llama.cpp `src/llama-vocab.cpp`).
  const fallback: Readonly<Record<string, number>> = model === "llama" ? { bos: 1, eos: 2, unknown: 0 } : {};
  const token = (role: string): string | undefined => {
    const id = metadata.tokenId(`tokenizer.ggml.${role}_token_id`, tokens.length);
    return tokens[id ?? fallback[role] ?? -1];
  };
  // The rule is not needed where the file says it all.
  const addsBos = () =>
    model === "llama" || (!metadata.has("tokenizer.huggingface.json") && preTokenizer(metadata, file).addsBos);
  const [bos, eos] = [token("bos"), token("eos")];
  return {
    bos,
    eos,
    unknown: token("unknown"),
    padding: token("padding"),
    addBos: bos !== undefined && (metadata.boolean("tokenizer.ggml.add_bos_token") ?? addsBos()),
    addEos: eos !== undefined && (metadata.boolean("tokenizer.ggml.add_eos_token") ?? false),
  };
}

function byteLevel(metadata: GgufMetadata, vocabulary: Vocabulary, special: SpecialTokens, file: string): object {
  const { normalizer, pattern, ignoreMerges } = preTokenizer(metadata, file);
  const merges = metadata.required("tokenizer.ggml.merges", metadata.strings("tokenizer.ggml.merges"));
  const byteLevelOptions = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false };
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: addedTokens(vocabulary),
    normalizer,
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        ...pattern.map((regex) => ({ type: "Split", pattern: { Regex: regex }, behavior: "Isolated", invert: false })),
        byteLevelOptions,
      ],
    },
    post_processor: template(vocabulary, special) ?? byteLevelOptions,
    decoder: byteLevelOptions,
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: ignoreMerges,
      vocab: vocabulary.ids,
      merges: merges.map((merge, rank) => splitMerge(merge, rank, vocabulary, file)),
    },
  };
}

/**
 * "left right"; the left part may begin with a space, so the split is at the first space after the first
 * character.
 */
function splitMerge(merge: string, rank: number, { ids }: Vocabulary, file: string): [string, string] {
  const space = merge.indexOf(" ", 1);
  const [left, right] = [merge.slice(0, space), merge.slice(space + 1)];
  if (space < 0 || ids[left] === undefined || ids[right] === undefined || ids[left + right] === undefined) {
    throw new CheckpointError(`${file}: merge ${rank}: got "${merge}", need two tokens that join to a third`);
  }
  return [left, right];
}

function sentencePiece(metadata: GgufMetadata, vocabulary: Vocabulary, special: SpecialTokens, file: string): object {
  const scores = metadata.required("tokenizer.ggml.scores", metadata.numbers("tokenizer.ggml.scores"));
  if (scores.length !== vocabulary.tokens.length) {
    throw new CheckpointError(
      `${file}: tokenizer.ggml.scores: got ${scores.length} scores, need one for each of the ${vocabulary.tokens.length} tokens`,
    );
  }
  const addsSpace = metadata.boolean("tokenizer.ggml.add_space_prefix") ?? true;
  const toMark = { type: "Replace", pattern: { String: " " }, content: SPACE_MARK };
  const isPiece = (id: number) => vocabulary.types[id] !== TOKEN_TYPE.control && vocabulary.types[id] !== TOKEN_TYPE.unknown;
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: addedTokens(vocabulary),
    normalizer: addsSpace ? { type: "Sequence", normalizers: [{ type: "Prepend", prepend: SPACE_MARK }, toMark] } : toMark,
    pre_tokenizer: null,
    post_processor: template(vocabulary, special) ?? null,
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: SPACE_MARK }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
        ...(addsSpace ? [{ type: "Strip", content: " ", start: 1, stop: 0 }] : []),
      ],
    },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: special.unknown ?? null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
      vocab: vocabulary.ids,
      merges: sentencePieceMerges(vocabulary.tokens, vocabulary.ids, scores, isPiece),
    },
  };
}

/**
 * Tokens found in the text as they are, before BPE: all with a role of their own, and those the model's
 * authors defined.
 */
function addedTokens({ tokens, types }: Vocabulary): object[] {
  const added: object[] = [];
  for (const [id, content] of tokens.entries()) {
    const isSpecial = types[id] === TOKEN_TYPE.control || types[id] === TOKEN_TYPE.unknown;
    if (!isSpecial && types[id] !== TOKEN_TYPE.userDefined) continue;
    added.push({ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: isSpecial });
  }
  return added;
}

const templateToken = (id: string, sequence: number) => ({ SpecialToken: { id, type_id: sequence } });

/** The tokens put around each text; undefined if there are none. */
function template({ ids }: Vocabulary, { bos, eos, addBos, addEos }: SpecialTokens): object | undefined {
  if (!addBos && !addEos) return undefined;
  const around = (part: object, sequence: number) => [
    ...(addBos ? [templateToken(bos!, sequence)] : []),
    part,
    ...(addEos ? [templateToken(eos!, sequence)] : []),
  ];
  const [first, second] = [{ Sequence: { id: "A", type_id: 0 } }, { Sequence: { id: "B", type_id: 1 } }];
  const used = [...(addBos ? [bos!] : []), ...(addEos ? [eos!] : [])];
  return {
    type: "TemplateProcessing",
    single: around(first, 0),
    pair: [...around(first, 0), ...around(second, 1)],
    special_tokens: Object.fromEntries(used.map((id) => [id, { id, ids: [ids[id]], tokens: [id] }])),
  };
}

function tokenizerConfig(metadata: GgufMetadata, special: SpecialTokens): Record<string, unknown> {
  const chatTemplate = metadata.string("tokenizer.chat_template");
  return {
    tokenizer_class: "PreTrainedTokenizerFast",
    bos_token: special.bos ?? null,
    eos_token: special.eos ?? null,
    unk_token: special.unknown ?? null,
    pad_token: special.padding ?? null,
    add_bos_token: special.addBos,
    add_eos_token: special.addEos,
    clean_up_tokenization_spaces: false,
    ...(chatTemplate === undefined ? {} : { chat_template: chatTemplate }),
  };
}
