/**
 * The patterns of `tokenizer.json`: a text, or a regular expression of Oniguruma.
 *
 * A model file is not trusted, so only patterns known to be harmless, and single classes of characters, run
 * on the engine's own `RegExp`; all others on `LinearPattern`, which is slower but cannot hang.
 */
import { KNOWN_PATTERNS } from "../../checkpoint/gguf/split-patterns.ts";
import { CheckpointError, UnsupportedModelError } from "../../errors.ts";
import { describe, isJsonObject } from "../../json-object.ts";
import { LinearPattern } from "./linear-pattern.ts";
import { toJavaScript } from "./oniguruma.ts";
import { mayBeEmpty, parseRegExp, singleCharacter, type Node } from "./reg-exp-syntax.ts";

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
  if (typeof regex === "string" && refusing(regex, where, () => mayBeEmpty(parseRegExp(toJavaScript(regex)))))
    refusing(regex, where, () => {
      throw new SyntaxError("one that matches the empty text");
    });
  return compilePattern(pattern, where);
}

/** @param regex Oniguruma's syntax */
export function compileRegExp(regex: string, where: string): FindMatches {
  return refusing(regex, where, () => {
    const source = toJavaScript(regex);
    if (KNOWN_PATTERNS.has(regex) || isRunOfOneClass(parseRegExp(source))) return native(source);
    const pattern = new LinearPattern(source);
    return (text) => refusing(regex, where, () => pattern.matches(text));
  });
}

function isRunOfOneClass(node: Node): boolean {
  if (singleCharacter(node) !== undefined) return true;
  return node.kind === "repeat" && node.min > 0 && singleCharacter(node.node) !== undefined;
}

/** Runs what may throw a SyntaxError or RangeError that is a pattern's fault. */
function refusing<T>(regex: string, where: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (!(cause instanceof SyntaxError || cause instanceof RangeError)) throw cause;
    throw new UnsupportedModelError(
      `${where}: pattern ${describe(regex)}: got ${cause.message}, need one that can be carried out`,
      { cause },
    );
  }
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
