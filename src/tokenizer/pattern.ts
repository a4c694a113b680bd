/**
 * The patterns of `tokenizer.json`: a text, or a regular expression of Oniguruma. `@huggingface/tokenizers`
 * writes the latter as JavaScript's.
 *
 * A model file is not trusted, so only patterns known to be harmless, and single classes of characters, run
 * on the engine's own `RegExp`; all others on `LinearPattern`, which is slower but cannot hang.
 */
// @ts-expect-error: its declarations do not resolve under NodeNext
import { SplitPreTokenizer } from "@huggingface/tokenizers";
import { KNOWN_PATTERNS } from "../checkpoint/gguf/split-patterns.ts";
import { CheckpointError, UnsupportedModelError } from "../errors.ts";
import { describe, isJsonObject } from "../json-object.ts";
import { LinearPattern } from "./linear-pattern.ts";
import { mayBeEmpty, parseRegExp, singleCharacter } from "./reg-exp-syntax.ts";

/** Finds a pattern in a text: start and end of each match, one after the other. */
export type FindMatches = (text: string) => readonly number[];

/**
 * @param pattern `{ String: ... }` or `{ Regex: ... }`
 * @param where for messages
 * @throws CheckpointError if it is neither; UnsupportedModelError if it cannot be carried out
 */
export function compilePattern(pattern: unknown, where: string): FindMatches {
  const { String: text, Regex: regex } = isJsonObject(pattern) ? pattern : {};
  if (typeof text === "string" && text !== "") return (inside) => occurrences(text, inside);
  if (typeof regex === "string") return compileRegExp(regex, where);
  throw new CheckpointError(`${where}: pattern: got ${describe(pattern)}, need a String or a Regex`);
}

/** @throws UnsupportedModelError as well if the pattern matches the empty text */
export function compileFilledPattern(pattern: unknown, where: string): FindMatches {
  const regex = isJsonObject(pattern) ? pattern["Regex"] : undefined;
  const find = compilePattern(pattern, where);
  if (typeof regex === "string" && mayBeEmpty(parseRegExp(toJavaScript(regex, refusing(regex, where)))))
    throw refusing(regex, where)("one that matches the empty text");
  return find;
}

/** @param regex Oniguruma's syntax */
export function compileRegExp(regex: string, where: string): FindMatches {
  const refuse = refusing(regex, where);
  const source = toJavaScript(regex, refuse);
  if (KNOWN_PATTERNS.has(regex)) return native(source);
  try {
    const node = parseRegExp(source);
    const isSet = singleCharacter(node) !== undefined;
    if (isSet || (node.kind === "repeat" && node.min > 0 && singleCharacter(node.node) !== undefined)) return native(source);
    const pattern = new LinearPattern(source);
    return (text) => {
      try {
        return pattern.matches(text);
      } catch (error) {
        throw error instanceof RangeError ? refuse(error.message, error) : error;
      }
    };
  } catch (error) {
    throw error instanceof SyntaxError ? refuse(error.message, error) : error;
  }
}

type Refuse = (reason: string, cause?: unknown) => UnsupportedModelError;

function refusing(regex: string, where: string): Refuse {
  return (reason, cause) =>
    new UnsupportedModelError(`${where}: pattern ${describe(regex)}: got ${reason}, need one that can be carried out`, { cause });
}

/** Deeper nesting could overflow the stack of the translation. */
const MOST_CHARACTERS = 2 ** 13;

function toJavaScript(regex: string, refuse: Refuse): string {
  if (regex.length > MOST_CHARACTERS) throw refuse(`${regex.length} characters`);
  // The translation drops what makes a repetition possessive or a group atomic.
  if (!KNOWN_PATTERNS.has(regex) && /[*+?]\+|\(\?>/.test(withoutEscapes(regex)))
    throw refuse("a possessive repetition or an atomic group");
  // Options in front are those of a group around everything.
  const whole = regex.startsWith("(?i)") ? `(?i:${regex.slice(4)})` : regex;
  try {
    const { pattern } = new SplitPreTokenizer({ type: "Split", pattern: { Regex: whole }, invert: false }) as { pattern: RegExp };
    return pattern.source;
  } catch (error) {
    throw refuse(error instanceof Error ? error.message : String(error), error);
  }
}

/** A pattern without classes and escapes, whose characters are no operators. */
function withoutEscapes(regex: string): string {
  return regex.replaceAll(/\\.|\[(?:\\.|[^\]\\])*\]/gsu, "x");
}

function native(source: string): FindMatches {
  const regex = new RegExp(source, "gu");
  return (text) => {
    const found: number[] = [];
    regex.lastIndex = 0;
    let lastEnd = -1;
    for (let match = regex.exec(text); match !== null; match = regex.exec(text)) {
      const end = match.index + match[0].length;
      if (match.index !== end || end !== lastEnd) found.push(match.index, end);
      if (match.index === end) regex.lastIndex += text.codePointAt(end)! > 0xffff ? 2 : 1;
      lastEnd = end;
    }
    return found;
  };
}

function occurrences(text: string, inside: string): number[] {
  const found: number[] = [];
  for (let at = inside.indexOf(text); at >= 0; at = inside.indexOf(text, at + text.length)) found.push(at, at + text.length);
  return found;
}
