/**
 * Token ids are the bytes of UTF-8, so that characters straddle tokens all the time. Ids from 256 on are
 * special and give no text; the last one is no token, as in a padded embedding.
 */
import type { TextModel, TextStream, TextTokenizer } from "../../src/decoding/generate.ts";
import { TokenCache } from "../../src/decoding/token-cache.ts";
import type { ToyForwardPass } from "./toy-model.ts";

class ByteTextStream implements TextStream {
  readonly #decoder = new TextDecoder();

  push(id: number): string {
    if (id === NO_TOKEN) throw new Error("byte text stream: no such token");
    return id < 256 ? this.#decoder.decode(Uint8Array.of(id), { stream: true }) : "";
  }

  flush(): string {
    return this.#decoder.decode();
  }
}

export const BOS = 256;
export const EOS = 257;
export const END_OF_TURN = 258;
export const NO_TOKEN = 259;
export const BYTE_VOCABULARY = 260;

export function byteTokenizer(bosTokenId: number | undefined): TextTokenizer {
  return {
    bosTokenId,
    vocabSize: BYTE_VOCABULARY,
    readBytes: (id) => Uint8Array.of(id),
    specialIds: new Set([BOS, EOS, END_OF_TURN]),
    idToToken: (id) => (id === NO_TOKEN ? undefined : `<${id}>`),
    streamDecoder: () => new ByteTextStream(),
  };
}

export function byteModel(pass: ToyForwardPass, bosTokenId: number | undefined = BOS): TextModel {
  return { cache: new TokenCache(pass), tokenizer: byteTokenizer(bosTokenId), endTokenIds: [EOS, END_OF_TURN] };
}

export const bytes = (text: string): number[] => Array.from(new TextEncoder().encode(text));
