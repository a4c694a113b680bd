/**
 * Text to token ids and back, by `tokenizer.json` and `tokenizer_config.json`.
 *
 * Encoding is `@huggingface/tokenizers`. Decoding goes through the bytes of each token (`token-bytes.ts`), so
 * that a text decoded at once and one decoded token by token are the same; spaces are never "cleaned up",
 * whatever the files ask for.
 */
import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import type { TokenizerFiles } from "../checkpoint/checkpoint.ts";
import { isJsonObject, type JsonObject } from "../json-object.ts";
import { CheckpointError, OptionError } from "../errors.ts";
import { isWhole } from "../need.ts";
import { SPECIAL_MARK } from "./chat-prompt.ts";
import { StreamDecoder, type StreamDecoderOptions, type TokenSource } from "./stream-decoder.ts";
import { type TokenDecoding, tokenDecoding } from "./token-bytes.ts";
import { type AddedToken, checkTokenizerJson } from "./tokenizer-json.ts";

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

/** The part of the library used here; its own declarations do not resolve under NodeNext. */
interface Encoder {
  encode(text: string, options: { add_special_tokens: boolean }): { readonly ids: number[]; readonly tokens: readonly string[] };
  token_to_id(token: string): number | undefined;
  id_to_token(id: number): string | undefined;
}

/**
 * An entry of a vocabulary or a list of merges, in `tokenizer.json` and in the encoder (measured: V8 of Node
 * 20, SmolLM2, 98,052 entries: 161).
 */
const HEAP_BYTES_PER_ENTRY = 160;

export class Tokenizer implements TokenSource {
  /** One more than the largest id. */
  readonly vocabSize: number;
  /** Ids of special tokens: those that are no text. */
  readonly specialIds: ReadonlySet<number>;
  /** The texts that stand for them. */
  readonly specialTexts: readonly string[];
  readonly bosTokenId: number | undefined;
  readonly eosTokenId: number | undefined;
  readonly padTokenId: number | undefined;
  readonly unkTokenId: number | undefined;
  readonly stripsLeadingSpace: boolean;

  readonly #name: string;
  readonly #json: JsonObject;
  readonly #config: JsonObject;
  readonly #encoder: Encoder;
  /** Texts of added tokens that the file's vocabulary does not have. */
  readonly #addedToVocab: readonly string[];
  /** The same without special tokens in texts; made when a text has one that must not be parsed. */
  #plainEncoder: Encoder | undefined;
  /** The same with special tokens behind a mark only; made when one is needed. */
  #markedEncoder: Encoder | undefined;
  readonly #specialText: RegExp | undefined;
  readonly #around: { readonly before: readonly number[]; readonly after: readonly number[] };
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
    const { json, addedTokens } = checkTokenizerJson(tokenizerJson, name);
    this.#name = name;
    // Ids of added tokens have to be found in texts that may not contain them, so they belong to the
    // encoder's vocabulary as well.
    const model = json["model"] as JsonObject;
    const vocab = Object.assign(Object.create(null) as JsonObject, model["vocab"]);
    this.#addedToVocab = addedTokens.filter(({ content }) => vocab[content] === undefined).map(({ content }) => content);
    for (const { id, content } of addedTokens) vocab[content] ??= id;
    // The encoder splits merges that are not; both keep these, so that the large tables of the file are let
    // go.
    this.#json = {
      ...json,
      model: { ...model, vocab, ...(Array.isArray(model["merges"]) && { merges: splitMerges(model["merges"]) }) },
    };
    this.#config = tokenizerConfig;
    this.#encoder = this.#make(this.#json);
    this.#decoding = tokenDecoding(json["decoder"], name);
    this.stripsLeadingSpace = this.#decoding.stripsLeadingSpace;

    this.vocabSize = this.#largestId(addedTokens) + 1;
    this.#addedIds = new Set(addedTokens.map(({ id }) => id));
    const special = addedTokens.filter((token) => token.special);
    this.specialIds = new Set(special.map(({ id }) => id));
    this.specialTexts = special.map(({ content }) => content);
    if (special.length > 0) this.#specialText = new RegExp(special.map(({ content }) => escapeRegExp(content)).join("|"), "u");

    this.bosTokenId = this.#idOf("bos_token");
    this.eosTokenId = this.#idOf("eos_token");
    this.padTokenId = this.#idOf("pad_token");
    this.unkTokenId = this.#idOf("unk_token");
    this.#around = this.#specialTokensAround();
  }

  /**
   * Bytes of JavaScript's heap that this takes, estimated from the number of its entries; engines do not say.
   */
  get heapBytes(): number {
    const { vocab, merges } = isJsonObject(this.#json["model"]) ? this.#json["model"] : {};
    const entries = (table: unknown) =>
      Array.isArray(table) ? table.length : isJsonObject(table) ? Object.keys(table).length : 0;
    return HEAP_BYTES_PER_ENTRY * (entries(vocab) + entries(merges));
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
   * @throws OptionError if the text is no string
   */
  encode(text: string, { addSpecialTokens = true, parseSpecial = true }: EncodeOptions = {}): number[] {
    if (typeof text !== "string") throw new OptionError(`text to encode: got ${typeof text}, need a string`);
    const isPlain = !parseSpecial && this.#specialText?.test(text) === true;
    const ids = this.#encodeWith(isPlain ? this.#plain() : this.#encoder, text);
    return addSpecialTokens ? [...this.#around.before, ...ids, ...this.#around.after] : ids;
  }

  /**
   * Ids of a text in which the text of a special token is that token behind SPECIAL_MARK, and text elsewhere
   * (`chat-prompt.ts`). Nothing is put around it.
   */
  encodeMarked(text: string): number[] {
    this.#markedEncoder ??= this.#withSpecialTexts((content) => SPECIAL_MARK + content);
    return this.#encodeWith(this.#markedEncoder, text);
  }

  /**
   * @throws OptionError if an id is no token's
   */
  decode(ids: ArrayLike<number>, { skipSpecialTokens = false }: DecodeOptions = {}): string {
    const stream = this.streamDecoder({ skipSpecialTokens });
    const pieces = Array.from(ids, (id) => stream.push(id));
    return pieces.join("") + stream.flush();
  }

  /** A new stream for one text: `push(id)` gives the text that a token completes, `flush()` the rest. */
  streamDecoder(options?: StreamDecoderOptions): StreamDecoder {
    return new StreamDecoder(this, options);
  }

  tokenToId(token: string): number | undefined {
    return this.#encoder.token_to_id(token);
  }

  /** The file's spelling of a token, for instance `Ġthe`; undefined if no token has this id. */
  idToToken(id: number): string | undefined {
    return this.#encoder.id_to_token(id);
  }

  isSpecial(id: number): boolean {
    return this.specialIds.has(id);
  }

  /**
   * The bytes a token adds to a text; a part of a character, one or several characters.
   * @throws OptionError if no token has this id
   */
  tokenBytes(id: number): Uint8Array {
    const known = this.#bytes[id];
    if (known !== undefined) return known;
    const token = isWhole(id, 0, this.vocabSize - 1) ? this.idToToken(id) : undefined;
    if (token === undefined)
      throw new OptionError(`${this.#name}: token id: got ${id}, need one of a token below ${this.vocabSize}`);
    return (this.#bytes[id] = this.#decoding.bytes(token, this.#addedIds.has(id)));
  }

  #make(json: JsonObject): Encoder {
    try {
      return new HuggingFaceTokenizer(json, this.#config);
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      throw new CheckpointError(`${this.#name}: tokenizer.json: ${message}`, { cause });
    }
  }

  #plain(): Encoder {
    return (this.#plainEncoder ??= this.#withSpecialTexts(() => undefined));
  }

  /** An encoder that finds special tokens by other texts, or not at all. */
  #withSpecialTexts(textOf: (content: string) => string | undefined): Encoder {
    const model = this.#json["model"] as JsonObject;
    const vocab = Object.assign(Object.create(null) as JsonObject, model["vocab"]);
    for (const content of this.#addedToVocab) delete vocab[content];
    // Nor must merges make one, from the letters of its text.
    const special = new Set(this.specialTexts);
    for (const content of special) delete vocab[content];
    const merges = (model["merges"] as readonly (readonly [string, string])[]).filter(([a, b]) => !special.has(a + b));
    const added = (this.#json["added_tokens"] as readonly JsonObject[]).flatMap((token) => {
      if (token["special"] !== true) return [token];
      const content = textOf(token["content"] as string);
      if (content === undefined) return [];
      vocab[content] = token["id"];
      return [{ ...token, content }];
    });
    return this.#make({ ...this.#json, model: { ...model, vocab, merges }, added_tokens: added });
  }

  #encodeWith(encoder: Encoder, text: string): number[] {
    const { ids, tokens } = encoder.encode(text, { add_special_tokens: false });
    const missing = ids.findIndex((id) => !Number.isInteger(id));
    if (missing >= 0)
      throw new CheckpointError(`${this.#name}: tokenizer.json: vocab: got no id for the piece "${tokens[missing]}", need one`);
    return ids;
  }

  /** The tokens the post-processor puts before and after a text, found by looking at one. */
  #specialTokensAround(): { before: number[]; after: number[] } {
    const probe = this.#encodeWith(this.#encoder, "a");
    const whole = this.#encoder.encode("a", { add_special_tokens: true }).ids;
    for (let at = 0; at + probe.length <= whole.length; at++) {
      if (probe.every((id, i) => whole[at + i] === id))
        return { before: whole.slice(0, at), after: whole.slice(at + probe.length) };
    }
    throw new CheckpointError(
      `${this.#name}: tokenizer.json: post_processor: got tokens without those of the text, need them among the rest`,
    );
  }

  #largestId(added: readonly AddedToken[]): number {
    const vocab = (this.#json["model"] as JsonObject)["vocab"] as Record<string, number>;
    let largest = -1;
    for (const id of Object.values(vocab)) largest = Math.max(largest, id);
    for (const { id } of added) largest = Math.max(largest, id);
    return largest;
  }

  /** Id of a token that `tokenizer_config.json` names, as text or as an added token. */
  #idOf(key: string): number | undefined {
    const value = this.#config[key];
    const token = isJsonObject(value) ? value["content"] : value;
    return typeof token === "string" ? this.tokenToId(token) : undefined;
  }
}

/** "a b", as older files write a merge, is ["a", "b"]. */
function splitMerges(merges: readonly unknown[]): unknown[] {
  return merges.map((merge) => (typeof merge === "string" ? merge.split(" ", 2) : merge));
}

function escapeRegExp(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, (character) => `\\${character}`);
}
