/**
 * Text to token ids and back, by `tokenizer.json` and `tokenizer_config.json`.
 *
 * Encoding carries out each step as Rust's `tokenizers` does (`encoder.ts`), or refuses it by name. Decoding
 * goes through the bytes of each token (`token-bytes.ts`), so that a text decoded at once and one decoded
 * token by token are the same; spaces are never "cleaned up", whatever the files ask for.
 */
import type { TokenizerFiles } from "../checkpoint/checkpoint.ts";
import { isJsonObject, type JsonObject } from "../json-object.ts";
import { OptionError, UnsupportedModelError } from "../errors.ts";
import { isWhole } from "../need.ts";
import { checkOptions, optionKeys } from "../option-keys.ts";
import { SPECIAL_MARK, type SpecialTexts } from "./added-tokens.ts";
import { Encoder } from "./encoder.ts";
import { type AroundText, aroundText } from "./post-processor.ts";
import { StreamDecoder, type StreamDecoderOptions, type TokenSource } from "./stream-decoder.ts";
import { type TokenDecoding, tokenDecoding } from "./token-bytes.ts";
import { checkTokenizerJson } from "./tokenizer-json.ts";

export interface EncodeOptions {
  /**
   * Puts around the text what the tokenizer puts around texts, such as a beginning-of-sequence token. Default
   * true.
   */
  addSpecialTokens?: boolean | undefined;
  /**
   * Whether the text of a special token, such as `<|im_end|>`, becomes that token. Default true, as in
   * transformers; false for text that is not trusted to end a turn.
   */
  parseSpecial?: boolean | undefined;
}

export interface DecodeOptions {
  /** Default false. */
  skipSpecialTokens?: boolean;
}

/** An entry of a vocabulary or a list of merges (measured: V8 of Node 20, SmolLM2, 98,052 entries: 41). */
const HEAP_BYTES_PER_ENTRY = 41;

const LONE_SURROGATE = /\p{Surrogate}/u;

const ENCODE_OPTIONS = optionKeys<EncodeOptions>({ addSpecialTokens: 0, parseSpecial: 0 });
const DECODE_OPTIONS = optionKeys<DecodeOptions>({ skipSpecialTokens: 0 });

/**
 * Text to token ids and back, as `tokenizer.json` says.
 *
 * @example
 * ```ts
 * const ids = model.tokenizer.encode("The capital of France is");
 * console.log(ids.length, model.tokenizer.decode(ids));
 * ```
 */
export class Tokenizer implements TokenSource {
  /** One more than the largest id. */
  readonly vocabSize: number;
  /** Ids of special tokens: those that are no text. */
  readonly specialIds: ReadonlySet<number>;
  /** UTF-16 units of the longest token's spelling. */
  readonly longestToken: number;
  /** The texts that stand for them. */
  readonly specialTexts: readonly string[];
  /** Id of the token that begins a text. */
  readonly bosTokenId: number | undefined;
  /** Id of the token that ends a text. */
  readonly eosTokenId: number | undefined;
  /** Id of the token that fills up. */
  readonly padTokenId: number | undefined;
  /** Id of the token for what has none. */
  readonly unkTokenId: number | undefined;
  /** Whether a text loses the space that was put in front of it. */
  readonly stripsLeadingSpace: boolean;
  /** Whether it loses every space of its first token. */
  readonly stripsFirstToken: boolean;

  readonly #name: string;
  readonly #config: JsonObject;
  readonly #encoder: Encoder;
  /** By id; undefined where no token has it. */
  readonly #tokens: readonly (string | undefined)[];
  readonly #vocab: ReadonlyMap<string, number>;
  /** Ids of added tokens, most of which the model's vocabulary does not have. */
  readonly #added: ReadonlyMap<string, number>;
  readonly #around: AroundText;
  readonly #addedIds: ReadonlySet<number>;
  readonly #decoding: TokenDecoding;
  readonly #bytes: (Uint8Array | undefined)[] = [];

  /**
   * @param files parsed `tokenizer.json` and `tokenizer_config.json`
   * @param name for messages: where they come from
   * @throws CheckpointError if a file is damaged; UnsupportedModelError if it asks for something that would
   *   be carried out wrongly
   */
  constructor({ tokenizerJson, tokenizerConfig }: TokenizerFiles, name: string) {
    const checked = checkTokenizerJson(tokenizerJson, name);
    const { addedTokens, tokens } = checked;
    this.#name = name;
    this.#config = tokenizerConfig;
    this.#tokens = tokens;
    this.#vocab = checked.model.vocab;
    this.#added = new Map(addedTokens.map(({ content, id }) => [content, id]));
    this.#encoder = new Encoder(checked, name);
    this.#decoding = tokenDecoding(tokenizerJson["decoder"], name);
    this.stripsLeadingSpace = this.#decoding.stripsLeadingSpace;
    this.stripsFirstToken = this.#decoding.stripsFirstToken;

    this.vocabSize = tokens.length;
    this.longestToken = checked.longestToken;
    this.#addedIds = new Set(addedTokens.map(({ id }) => id));
    const special = addedTokens.filter((token) => token.special);
    this.specialIds = new Set(special.map(({ id }) => id));
    this.specialTexts = special.map(({ content }) => content);

    this.bosTokenId = this.#idOf("bos_token");
    this.eosTokenId = this.#idOf("eos_token");
    this.padTokenId = this.#idOf("pad_token");
    this.unkTokenId = this.#idOf("unk_token");
    this.#around = aroundText(tokenizerJson["post_processor"], `${name}: tokenizer.json: post_processor`, this.vocabSize);
  }

  /**
   * Bytes of JavaScript's heap that this takes, estimated from the number of its entries; engines do not say.
   */
  get heapBytes(): number {
    return HEAP_BYTES_PER_ENTRY * this.#encoder.entries;
  }

  /**
   * The beginning-of-sequence token, if every encoded text gets one in front; a model may have such a token
   * and not add it.
   */
  get addedBosTokenId(): number | undefined {
    return this.#around.before[0] === this.bosTokenId ? this.bosTokenId : undefined;
  }

  /**
   * @returns ids, in order
   * @throws OptionError if the text is no string, or has half of a surrogate pair
   * @throws UnsupportedModelError if a pattern of the file takes too many steps for this text
   */
  encode(text: string, options: EncodeOptions = {}): number[] {
    checkOptions(options, ENCODE_OPTIONS);
    checkText(text);
    return this.#surrounded(this.#encoder.encode(text, specialTexts(options)), options);
  }

  /**
   * Gives the same ids as `encode`, for long texts: other events run now and then.
   *
   * @param pause lets them; what it throws ends the encoding
   */
  async encodeInSteps(text: string, options: EncodeOptions, pause: () => Promise<void>): Promise<number[]> {
    checkOptions(options, ENCODE_OPTIONS);
    checkText(text);
    return this.#surrounded(await this.#encoder.encodeInSteps(text, specialTexts(options), pause), options);
  }

  #surrounded(ids: number[], { addSpecialTokens = true }: EncodeOptions): number[] {
    const { before, after } = this.#around;
    return addSpecialTokens && before.length + after.length > 0 ? [...before, ...ids, ...after] : ids;
  }

  /**
   * Ids of a text in which the text of a special token is that token behind SPECIAL_MARK, and text elsewhere
   * (`chat-prompt.ts`). Nothing is put around it.
   *
   * @throws UnsupportedModelError if a mark is left over, which the model would be shown as text
   */
  encodeMarked(text: string): number[] {
    return this.#checkMarks(text, this.#encoder.encode(text, "marked"));
  }

  /** The same as `encodeMarked`, in steps as `encodeInSteps`. */
  async encodeMarkedInSteps(text: string, pause: () => Promise<void>): Promise<number[]> {
    return this.#checkMarks(text, await this.#encoder.encodeInSteps(text, "marked", pause));
  }

  #checkMarks(text: string, ids: number[]): number[] {
    const [marks, found] = [text.split(SPECIAL_MARK).length - 1, ids.filter((id) => this.specialIds.has(id)).length];
    if (found >= marks) return ids;
    throw new UnsupportedModelError(
      `${this.#name}: tokenizer.json: got ${found} of ${marks} special tokens in a chat prompt that contains the text of one, need all`,
    );
  }

  /**
   * @throws OptionError if an id is no token's
   */
  decode(ids: ArrayLike<number>, options: DecodeOptions = {}): string {
    checkOptions(options, DECODE_OPTIONS);
    const { skipSpecialTokens = false } = options;
    const stream = this.streamDecoder({ skipSpecialTokens });
    const pieces = Array.from(ids, (id) => stream.push(id));
    return pieces.join("") + stream.flush();
  }

  /** A new stream for one text: `push(id)` gives the text that a token completes, `flush()` the rest. */
  streamDecoder(options?: StreamDecoderOptions): StreamDecoder {
    return new StreamDecoder(this, options);
  }

  /** Id of a token by its text; undefined if there is none. */
  tokenToId(token: string): number | undefined {
    return this.#added.get(token) ?? this.#vocab.get(token);
  }

  /** The file's spelling of a token, for instance `Ġthe`; undefined if no token has this id. */
  idToToken(id: number): string | undefined {
    return this.#tokens[id];
  }

  /** Whether an id is that of a special token. */
  isSpecial(id: number): boolean {
    return this.specialIds.has(id);
  }

  /**
   * The bytes a token adds to a text; a part of a character, one or several characters.
   * @throws OptionError if no token has this id
   */
  tokenBytes(id: number): Uint8Array {
    return (this.#bytes[id] ??= this.readBytes(id));
  }

  /** The same, made anew: for those who look at the whole vocabulary, which would stay in memory. */
  readBytes(id: number): Uint8Array {
    const token = isWhole(id, 0, this.vocabSize - 1) ? this.idToToken(id) : undefined;
    if (token === undefined)
      throw new OptionError(`${this.#name}: token id: got ${id}, need one of a token below ${this.vocabSize}`);
    // As in Rust, an added token comes back as the text it was found as.
    const spelling = this.#encoder.spellings.get(id);
    return this.#decoding.bytes(spelling ?? token, spelling === undefined && this.#addedIds.has(id));
  }

  /** Id of a token that `tokenizer_config.json` names, as text or as an added token. */
  #idOf(key: string): number | undefined {
    const value = this.#config[key];
    const token = isJsonObject(value) ? value["content"] : value;
    return typeof token === "string" ? this.tokenToId(token) : undefined;
  }
}

function specialTexts({ parseSpecial = true }: EncodeOptions): SpecialTexts {
  return parseSpecial ? "all" : "none";
}

function checkText(text: unknown): void {
  if (typeof text !== "string") throw new OptionError(`text to encode: got ${typeof text}, need a string`);
  const lone = LONE_SURROGATE.exec(text);
  if (lone === null) return;
  throw new OptionError(
    `text to encode: got half of a surrogate pair at ${lone.index}, need whole characters (String.toWellFormed makes them)`,
  );
}
