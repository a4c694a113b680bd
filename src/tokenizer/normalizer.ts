/** The `normalizer` of `tokenizer.json`: text to text, as Rust's `tokenizers` does (`normalizers/`). */
import { CheckpointError, UnsupportedModelError } from "../errors.ts";
import { describe, isJsonObject, type JsonObject } from "../json-object.ts";
import { toByteAlphabet } from "./byte-alphabet.ts";
import { compileFilledPattern } from "./pattern.ts";

export type Normalize = (text: string) => string;

/**
 * @param where for messages
 * @returns undefined if there is nothing to do
 * @throws CheckpointError if a part is missing; UnsupportedModelError for a step that is not known
 */
export function normalizer(step: unknown, where: string): Normalize | undefined {
  if (step === null || step === undefined) return undefined;
  if (!isJsonObject(step)) throw new CheckpointError(`${where}: got ${describe(step)}, need an object or null`);
  switch (step["type"]) {
    case "Sequence": {
      const steps: unknown = step["normalizers"];
      if (!Array.isArray(steps)) throw new CheckpointError(`${where}: normalizers: got ${describe(steps)}, need an array`);
      const all = steps.map((inner) => normalizer(inner, where)).filter((inner) => inner !== undefined);
      return (text) => all.reduce((done, inner) => inner(done), text);
    }
    case "NFC":
    case "NFD":
    case "NFKC":
    case "NFKD": {
      const form = step["type"];
      return (text) => text.normalize(form);
    }
    case "Lowercase":
      return lowercase;
    case "Prepend": {
      const prefix = needText(step, "prepend", where);
      return (text) => (text === "" ? "" : prefix + text);
    }
    case "Replace": {
      const content = needText(step, "content", where);
      // What Rust makes of an insertion depends on its table of offsets.
      const find = compileFilledPattern(step["pattern"], `${where}: Replace`);
      return (text) => replaceMatches(text, find(text), content);
    }
    case "Strip":
      return strip(step);
    case "StripAccents":
      return (text) => text.replaceAll(/\p{M}/gu, "");
    case "Nmt":
      return nmt;
    case "ByteLevel":
      return toByteAlphabet;
    default:
      throw new UnsupportedModelError(
        `${where}: got ${describe(step["type"])}, need NFC, NFD, NFKC, NFKD, Lowercase, Prepend, Replace, Strip, StripAccents, Nmt, ByteLevel or Sequence`,
      );
  }
}

/** Each character on its own: a sigma at the end of a word becomes that of its middle. */
function lowercase(text: string): string {
  return text
    .split("\u03a3")
    .map((part) => part.toLowerCase())
    .join("\u03c3");
}

function strip(step: JsonObject): Normalize {
  const isSpace = (char: string) => /\p{White_Space}/u.test(char);
  const [left, right] = [step["strip_left"] === true, step["strip_right"] === true];
  return (text) => {
    let [start, end] = [0, text.length];
    if (left) while (start < end && isSpace(text[start]!)) start++;
    if (right) while (start < end && isSpace(text[end - 1]!)) end--;
    return text.slice(start, end);
  };
}

/** What neural machine translation drops, and what it reads as spaces (SentencePiece's nmt_nfkc). */
function nmt(text: string): string {
  return text
    .replaceAll(/[^\P{Cc}\0\t\n\f\r\u0080-\u008e\u0090-\u009e]/gu, "")
    .replaceAll(/[\t\n\f\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]/g, " ");
}

/** @param matches start and end of each, one after the other */
function replaceMatches(text: string, matches: readonly number[], content: string): string {
  if (matches.length === 0) return text;
  const parts: string[] = [];
  let done = 0;
  for (let i = 0; i < matches.length; i += 2) {
    parts.push(text.slice(done, matches[i]), content);
    done = matches[i + 1]!;
  }
  parts.push(text.slice(done));
  return parts.join("");
}

function needText(step: JsonObject, key: string, where: string): string {
  const value = step[key];
  if (typeof value === "string") return value;
  throw new CheckpointError(`${where}: ${key}: got ${describe(value)}, need a text`);
}
