/** The `normalizer` of `tokenizer.json`: text to text, as Rust's `tokenizers` does (`normalizers/`). */
import { CheckpointError, UnsupportedModelError } from "../errors.ts";
import { describe, isJsonObject, type JsonObject } from "../json-object.ts";
import { toByteAlphabet } from "./byte-alphabet.ts";
import { compileFilledPattern } from "./patterns/pattern.ts";

export type Normalize = (text: string) => string;

/** A step of it; refuses to make more than a number of characters. */
type Step = (text: string, most: number) => string;

/**
 * Steps may make a text longer, and one after the other would without end; models in use add a few spaces.
 */
const MOST_GROWTH = 64;
const FREE_GROWTH = 2 ** 16;
/** A bound for the steps of a Sequence with those inside of it. */
export const MOST_STEPS = 64;

/**
 * @param where for messages
 * @returns undefined if there is nothing to do
 * @throws CheckpointError if a part is missing; UnsupportedModelError for a step that is not known
 */
export function normalizer(step: unknown, where: string): Normalize | undefined {
  const made = makeStep(step, where, { left: MOST_STEPS });
  return made && ((text) => made(text, MOST_GROWTH * text.length + FREE_GROWTH));
}

function makeStep(step: unknown, where: string, steps: { left: number }): Step | undefined {
  if (step === null || step === undefined) return undefined;
  if (!isJsonObject(step)) throw new CheckpointError(`${where}: got ${describe(step)}, need an object or null`);
  if (steps.left-- === 0) throw new UnsupportedModelError(`${where}: got more than ${MOST_STEPS} steps, need at most that`);
  const grown = (length: number, most: number): void => {
    if (length > most)
      throw new UnsupportedModelError(
        `${where}: got a text that grows beyond ${most} characters, need steps that keep it shorter`,
      );
  };
  switch (step["type"]) {
    case "Sequence": {
      const inner: unknown = step["normalizers"];
      if (!Array.isArray(inner)) throw new CheckpointError(`${where}: normalizers: got ${describe(inner)}, need an array`);
      const all = inner.map((one) => makeStep(one, where, steps)).filter((one) => one !== undefined);
      return (text, most) => all.reduce((done, one) => one(done, most), text);
    }
    case "NFC":
    case "NFD":
    case "NFKC":
    case "NFKD": {
      const form = step["type"];
      return (text, most) => {
        const normalized = text.normalize(form);
        grown(normalized.length, most);
        return normalized;
      };
    }
    case "Lowercase":
      return lowercase;
    case "Prepend": {
      const prefix = needText(step, "prepend", where);
      return (text, most) => {
        grown(prefix.length + text.length, most);
        return text === "" ? "" : prefix + text;
      };
    }
    case "Replace": {
      const content = needText(step, "content", where);
      // What Rust makes of an insertion depends on its table of offsets.
      const find = compileFilledPattern(step["pattern"], `${where}: Replace`);
      return (text, most) => {
        const matches = find(text);
        grown(text.length + (matches.length / 2) * content.length, most);
        return replaceMatches(text, matches, content);
      };
    }
    case "Strip":
      return strip(step);
    case "StripAccents":
      return (text) => text.replaceAll(/\p{M}/gu, "");
    case "Nmt":
      return nmt;
    case "ByteLevel":
      return (text, most) => {
        grown(3 * text.length, most);
        return toByteAlphabet(text);
      };
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
