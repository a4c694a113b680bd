/**
 * The `pre_tokenizer` of `tokenizer.json`: text cut into the pieces that are encoded one by one, as Rust's
 * `tokenizers` does (`pre_tokenizers/`).
 */
import { CheckpointError, UnsupportedModelError } from "../errors.ts";
import { describe, isJsonObject, type JsonObject } from "../json-object.ts";
import { isWhole } from "../need.ts";
import { GPT2_PATTERN } from "../checkpoint/gguf/split-patterns.ts";
import { toByteAlphabet } from "./byte-alphabet.ts";
import { MOST_STEPS } from "./normalizer.ts";
import { compilePattern, compileRegExp, type FindMatches } from "./patterns/pattern.ts";
import { cut, needBehavior, splitter, type Pieces } from "./pieces.ts";

export type PreTokenize = (pieces: Pieces) => Pieces;

/** Rust's regular expressions, and its questions about single characters. */
const NUMERIC = /\p{N}/gu;
const PUNCTUATION = /[\p{P}!-/:-@[-`{-~]/gu;
const WHITE_SPACE = /\p{White_Space}/gu;
const WORD = String.raw`\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}`;
const WORDS = new RegExp(String.raw`[${WORD}]+|[^${WORD}\p{White_Space}]+`, "gu");

/**
 * @param where for messages
 * @returns undefined if there is nothing to do
 * @throws CheckpointError if a part is missing; UnsupportedModelError for a step that is not known
 */
export function preTokenizer(step: unknown, where: string): PreTokenize | undefined {
  return makeStep(step, where, { left: MOST_STEPS, byteLevels: MOST_BYTE_LEVELS });
}

/** Each doubles what is not in ASCII. Models in use have one. */
const MOST_BYTE_LEVELS = 4;

function makeStep(step: unknown, where: string, steps: { left: number; byteLevels: number }): PreTokenize | undefined {
  if (step === null || step === undefined) return undefined;
  if (!isJsonObject(step)) throw new CheckpointError(`${where}: got ${describe(step)}, need an object or null`);
  const isTooMany = steps.left-- === 0 || (step["type"] === "ByteLevel" && steps.byteLevels-- === 0);
  if (isTooMany)
    throw new UnsupportedModelError(
      `${where}: got more than ${MOST_STEPS} steps or ${MOST_BYTE_LEVELS} of ByteLevel, need at most that`,
    );
  switch (step["type"]) {
    case "Sequence": {
      const inner: unknown = step["pretokenizers"];
      if (!Array.isArray(inner)) throw new CheckpointError(`${where}: pretokenizers: got ${describe(inner)}, need an array`);
      const all = inner.map((one) => makeStep(one, where, steps)).filter((one) => one !== undefined);
      return (pieces) => all.reduce((done, one) => one(done), pieces);
    }
    case "ByteLevel":
      return byteLevel(step, where);
    case "Split": {
      const find = compilePattern(step["pattern"], `${where}: Split`);
      const inverted = step["invert"] ?? false;
      if (typeof inverted !== "boolean")
        throw new CheckpointError(`${where}: Split: invert: got ${describe(inverted)}, need true or false`);
      return splitter(find, needBehavior(step["behavior"], `${where}: Split`), inverted);
    }
    case "Digits":
      return splitter(finding(NUMERIC), step["individual_digits"] === true ? "Isolated" : "Contiguous");
    case "Punctuation":
      return splitter(finding(PUNCTUATION), needBehavior(step["behavior"] ?? "Isolated", `${where}: Punctuation`));
    case "BertPreTokenizer": {
      const words = splitter(finding(WHITE_SPACE), "Removed");
      const marks = splitter(finding(PUNCTUATION), "Isolated");
      return (pieces) => marks(words(pieces));
    }
    case "Whitespace":
      return splitter(finding(WORDS), "Removed", true);
    case "WhitespaceSplit":
      return splitter(finding(WHITE_SPACE), "Removed");
    case "CharDelimiterSplit": {
      const delimiter = needCharacter(step, "delimiter", where);
      return splitter(compilePattern({ String: delimiter }, where), "Removed");
    }
    case "FixedLength":
      return fixedLength(step, where);
    case "Metaspace":
      return metaspace(step, where);
    default:
      throw new UnsupportedModelError(
        `${where}: got ${describe(step["type"])}, need ByteLevel, Split, Digits, Punctuation, Metaspace, Whitespace, WhitespaceSplit, BertPreTokenizer, CharDelimiterSplit, FixedLength or Sequence`,
      );
  }
}

/** One character, or one run of a class: such expressions take no longer than the text. */
function finding(regex: RegExp): FindMatches {
  return (text) => {
    const found: number[] = [];
    for (const { 0: match, index } of text.matchAll(regex)) found.push(index, index + match.length);
    return found;
  };
}

function byteLevel(step: JsonObject, where: string): PreTokenize {
  const addsSpace = step["add_prefix_space"] === true;
  const split = step["use_regex"] === false ? undefined : splitter(compileRegExp(GPT2_PATTERN, where), "Isolated");
  return ({ texts, isStart }) => {
    const spaced = addsSpace ? texts.map((text) => (text.startsWith(" ") ? text : ` ${text}`)) : texts;
    const pieces = split === undefined ? { texts: spaced, isStart } : split({ texts: spaced, isStart });
    return { ...pieces, texts: pieces.texts.map(toByteAlphabet) };
  };
}

const DEFAULT_LENGTH = 5;

function fixedLength(step: JsonObject, where: string): PreTokenize {
  const length = step["length"] ?? DEFAULT_LENGTH;
  if (!isWhole(length, 1))
    throw new CheckpointError(`${where}: FixedLength: length: got ${describe(length)}, need a whole number above 0`);
  return (pieces) =>
    cut(pieces, (text) => {
      const spans: number[] = [];
      let [start, count] = [0, 0];
      for (let at = 0; at < text.length;) {
        at += text.codePointAt(at)! > 0xffff ? 2 : 1;
        if (++count % length === 0 || at >= text.length) {
          spans.push(start, at);
          start = at;
        }
      }
      return spans;
    });
}

function metaspace(step: JsonObject, where: string): PreTokenize {
  const mark = needCharacter(step, "replacement", where);
  const scheme = step["prepend_scheme"] ?? "always";
  if (scheme !== "always" && scheme !== "first" && scheme !== "never")
    throw new CheckpointError(`${where}: Metaspace: prepend_scheme: got ${describe(scheme)}, need always, first or never`);
  if (step["add_prefix_space"] === false && scheme !== "never")
    throw new UnsupportedModelError(
      `${where}: Metaspace: prepend_scheme: got "${scheme}" beside add_prefix_space false, need "never"`,
    );
  const split = step["split"] === false ? undefined : splitter(compilePattern({ String: mark }, where), "MergedWithNext");
  return ({ texts, isStart }) => {
    const marked = texts.map((text, i) => {
      const spaced = text.replaceAll(" ", mark);
      const prepends = scheme === "always" || (scheme === "first" && i === 0 && isStart);
      return prepends && !spaced.startsWith(mark) ? mark + spaced : spaced;
    });
    const pieces = { texts: marked, isStart };
    return split === undefined ? pieces : split(pieces);
  };
}

function needCharacter(step: JsonObject, key: string, where: string): string {
  const value = step[key];
  if (typeof value === "string" && [...value].length === 1) return value;
  throw new CheckpointError(`${where}: ${String(step["type"])}: ${key}: got ${describe(value)}, need one character`);
}
