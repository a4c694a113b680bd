/** Token ids are the bytes of UTF-8, so that characters straddle tokens all the time; ids from 256 on are special and give no text. */
import type { TextModel, TextStream } from "../../src/decoding/generate.ts";
import { TokenCache } from "../../src/decoding/token-cache.ts";
import type { ToyForwardPass } from "./toy-model.ts";

class ByteTextStream implements TextStream {
  readonly #decoder = new TextDecoder();

  push(id: number): string {
    return id < 256 ? this.#decoder.decode(Uint8Array.of(id), { stream: true }) : "";
  }

  flush(): string {
    return this.#decoder.decode();
  }
}

export const BOS = 256;
export const EOS = 257;
export const END_OF_TURN = 258;
export const BYTE_VOCABULARY = 259;

export function byteModel(pass: ToyForwardPass, bosTokenId: number | undefined = BOS): TextModel {
  return {
    cache: new TokenCache(pass),
    endTokenIds: [EOS, END_OF_TURN],
    bosTokenId,
    openTextStream: () => new ByteTextStream(),
  };
}

export const bytes = (text: string): number[] => Array.from(new TextEncoder().encode(text));
