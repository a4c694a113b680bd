/**
 * The bytes each token stands for, by the decoder that `tokenizer.json` names. Concatenated and read as UTF-8
 * they are the text.
 *
 * Byte-level: the characters of a token each spell one byte (GPT-2's printable alphabet); added tokens are
 * plain text. SentencePiece: U+2581 is a space, `<0x0A>` is one byte, everything else is plain text.
 */
import { BYTE_OF_CHARACTER } from "./byte-alphabet.ts";
import { UnsupportedModelError } from "../errors.ts";
import { isJsonObject } from "../json-object.ts";

export interface TokenDecoding {
  /** @param isAdded whether the token is found in texts as it is, and not spelled in the byte alphabet */
  bytes(token: string, isAdded: boolean): Uint8Array;
  /** Whether a text loses the space it begins with: the one that was put in front of it for encoding. */
  readonly stripsLeadingSpace: boolean;
  /** Whether the first token of a text loses every space it has. */
  readonly stripsFirstToken: boolean;
}

const utf8 = new TextEncoder();
const BYTE_TOKEN = /^<0x([0-9A-Fa-f]{2})>$/;

/**
 * @param decoder `decoder` of tokenizer.json
 * @throws UnsupportedModelError for decoders other than byte-level and SentencePiece ones
 */
export function tokenDecoding(decoder: unknown, name: string): TokenDecoding {
  const steps = flatten(decoder);
  const types = steps.map((step) => String(step["type"]));
  if (types.length === 1 && types[0] === "ByteLevel")
    return { bytes: byteLevelBytes, stripsLeadingSpace: false, stripsFirstToken: false };

  let mark = "";
  let stripsLeadingSpace = false;
  let stripsFirstToken = false;
  let isFused = false;
  for (const step of steps) {
    switch (step["type"]) {
      case "Replace": {
        const pattern = isJsonObject(step["pattern"]) ? step["pattern"]["String"] : undefined;
        if (typeof pattern !== "string" || step["content"] !== " " || mark !== "") return refuse(types, name);
        mark = pattern;
        break;
      }
      case "Metaspace":
        if (mark !== "" || isFused) return refuse(types, name);
        mark = typeof step["replacement"] === "string" ? step["replacement"] : "\u2581";
        stripsFirstToken = step["prepend_scheme"] !== "never" && step["add_prefix_space"] !== false;
        break;
      case "Strip":
        // Before the tokens are one text, each of them would be stripped.
        if (!isFused || stripsFirstToken || stripsLeadingSpace) return refuse(types, name);
        if (step["content"] !== " " || step["start"] !== 1 || (step["stop"] ?? 0) !== 0) return refuse(types, name);
        stripsLeadingSpace = true;
        break;
      case "ByteFallback":
        if (isFused) return refuse(types, name);
        break;
      case "Fuse":
        isFused = true;
        break;
      default:
        return refuse(types, name);
    }
  }
  if (mark === "") return refuse(types, name);
  const hasBytes = types.includes("ByteFallback");
  return {
    stripsLeadingSpace: stripsLeadingSpace || stripsFirstToken,
    stripsFirstToken,
    bytes(token) {
      const byte = hasBytes ? BYTE_TOKEN.exec(token)?.[1] : undefined;
      return byte === undefined ? utf8.encode(token.replaceAll(mark, " ")) : Uint8Array.of(Number.parseInt(byte, 16));
    },
  };
}

function flatten(decoder: unknown): Record<string, unknown>[] {
  if (!isJsonObject(decoder)) return [];
  if (decoder["type"] !== "Sequence") return [decoder];
  return Array.isArray(decoder["decoders"]) ? decoder["decoders"].flatMap(flatten) : [];
}

function refuse(types: readonly string[], name: string): never {
  const found = types.length === 0 ? "none" : types.join(", ");
  throw new UnsupportedModelError(
    `${name}: tokenizer.json: decoder: got ${found}, need ByteLevel or those of SentencePiece in their order (Replace or Metaspace, ByteFallback, Fuse, Strip of one space)`,
  );
}

function byteLevelBytes(token: string, isAdded: boolean): Uint8Array {
  if (isAdded) return utf8.encode(token);
  const bytes: number[] = [];
  for (const character of token) {
    const byte = BYTE_OF_CHARACTER.get(character);
    // A token that is not spelled in the alphabet, such as a filler for an unused id, is its own text.
    if (byte === undefined) return utf8.encode(token);
    bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}
