/**
 * Token ids in, text out, never half a character: bytes of an unfinished UTF-8 sequence wait for the next
 * token. The pieces, concatenated, are the decoded text of all ids. Constant time per token, whatever came
 * before.
 */
export interface StreamDecoderOptions {
  /** Leaves out special tokens. Default true. */
  skipSpecialTokens?: boolean;
  /**
   * The ids continue a text: the space that SentencePiece puts in front of a text was not put in front of
   * these. Default false.
   */
  continues?: boolean;
}

/** The part of a tokenizer that the stream needs. */
export interface TokenSource {
  /** @throws OptionError if no token has this id */
  tokenBytes(id: number): Uint8Array;
  isSpecial(id: number): boolean;
  readonly stripsLeadingSpace: boolean;
  /** Whether it is every space of the first token that a text loses. Default false. */
  readonly stripsFirstToken?: boolean;
}

const SPACE = 0x20;

export class StreamDecoder {
  readonly #tokens: TokenSource;
  readonly #skipsSpecial: boolean;
  readonly #utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
  /** Whether the next byte, if it is a space, is left out. */
  #stripsSpace: boolean;

  constructor(tokens: TokenSource, { skipSpecialTokens = true, continues = false }: StreamDecoderOptions = {}) {
    this.#tokens = tokens;
    this.#skipsSpecial = skipSpecialTokens;
    this.#stripsSpace = tokens.stripsLeadingSpace && !continues;
  }

  /**
   * The text that this token completes; empty if it ends inside a character or is left out.
   * @throws OptionError if no token has this id
   */
  push(id: number): string {
    if (this.#skipsSpecial && this.#tokens.isSpecial(id)) return "";
    let bytes = this.#tokens.tokenBytes(id);
    if (bytes.length === 0) return "";
    if (this.#stripsSpace) {
      if (this.#tokens.stripsFirstToken === true) bytes = bytes.filter((byte) => byte !== SPACE);
      else if (bytes[0] === SPACE) bytes = bytes.subarray(1);
    }
    this.#stripsSpace = false;
    return this.#utf8.decode(bytes, { stream: true });
  }

  /**
   * Gives what is left at the end: U+FFFD if the last character was not finished. The stream can be used
   * again, as a continuation.
   */
  flush(): string {
    return this.#utf8.decode();
  }
}
