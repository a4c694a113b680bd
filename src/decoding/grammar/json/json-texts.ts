/** JSON's texts that are no structure: strings, white space, numbers without bounds. */
import { type Automaton, classesFrom, explore, intersection, isEmpty, step } from "../regular/automaton.ts";
import { ALL_CODE_POINTS, type CodePoints, common, LAST_CODE_POINT, utf8Character, without } from "../regular/code-points.ts";
import { determinize } from "../regular/determinize.ts";
import { patternLanguage } from "../regular/pattern-language.ts";
import { either, oneOf, optional, range, type Regular, repeat, sequence, text } from "../regular/regular.ts";
import { automatonOf, type Grammar, regularOf, repeatOf, sequenceOf } from "../grammar.ts";
import { FORMATS } from "./formats.ts";
import type { StringBounds } from "./notation.ts";

/** Ways to write it differ; more than this no model needs, and a weak one would write without end. */
export const SPACE: Regular = optional(either(text(" "), sequence(repeat(text("\n"), 1, 2), repeat(oneOf(" \t"), 0, 20))));

const digit = range(0x30, 0x39);
const hex = oneOf("0123456789abcdefABCDEF");
const natural = (digits: number) => either(text("0"), sequence(range(0x31, 0x39), repeat(digit, 0, digits - 1)));

/** Digits of a number: any 15 become a double and come back as they were. */
export const MOST_DIGITS = 15;

/** Numbers in the range of doubles. */
export const ANY_NUMBER: Regular = sequence(
  optional(text("-")),
  natural(MOST_DIGITS),
  optional(sequence(text("."), repeat(digit, 1, MOST_DIGITS))),
  optional(sequence(oneOf("eE"), optional(oneOf("+-")), repeat(digit, 1, 2))),
);

/** One character of a set inside a string, spelled in one way: as JSON.stringify does. */
export function jsonCharacter(set: CodePoints): Regular {
  const plain = without(common(set, [[0x20, LAST_CODE_POINT]]), [[0x22, 0x22], [0x5c, 0x5c]]); // prettier-ignore
  const escaped = common(set, [[0, 0x1f], [0x22, 0x22], [0x5c, 0x5c]]); // prettier-ignore
  const escapes = escaped.flatMap(([from, to]) =>
    Array.from({ length: to - from + 1 }, (_, i) => text(JSON.stringify(String.fromCodePoint(from + i)).slice(1, -1))),
  );
  return either(utf8Character(plain), ...escapes);
}

/** One character inside a string, in any of the ways to spell it; halves of UTF-16's pairs only together. */
const ANY_CHARACTER: Regular = either(
  jsonCharacter(ALL_CODE_POINTS),
  text("\\/"),
  sequence(text("\\u"), either(sequence(oneOf("0123456789abcefABCEF"), hex), sequence(oneOf("dD"), range(0x30, 0x37))), hex, hex),
  sequence(text("\\u"), oneOf("dD"), oneOf("89abAB"), hex, hex, text("\\u"), oneOf("dD"), oneOf("cdefCDEF"), hex, hex),
);

const QUOTE_BYTE = 0x22;
const QUOTE = text('"');

/** One for all grammars, so that what is known of its states serves them all. */
export const ANY_STRING: Grammar = regularOf(sequence(QUOTE, repeat(ANY_CHARACTER, 0), QUOTE));
const CHARACTER = determinize(ANY_CHARACTER);

/** Lengths that are counted by states of an automaton, which is faster than counting beside one. */
export const LONGEST_COUNTED = 500;

/**
 * Strings in their quotes.
 * @throws SyntaxError, RangeError for a pattern that cannot be carried out
 */
export function strings(bounds: StringBounds): Grammar {
  const { minLength, maxLength, pattern, format } = bounds;
  if (pattern !== undefined || format !== undefined) return automatonOf(quoted(stringContents(bounds)));
  if (minLength === 0 && maxLength === Infinity) return ANY_STRING;
  if ((maxLength === Infinity ? minLength : maxLength) <= LONGEST_COUNTED)
    return automatonOf(quoted(counted(minLength, maxLength)));
  const [quote, character] = [regularOf(QUOTE), automatonOf(CHARACTER)];
  return sequenceOf(quote, repeatOf(character, minLength, maxLength), quote);
}

/**
 * What a string says, each of its characters in one spelling: that between JSON's quotes, unless told.
 * @throws as `strings`
 */
export function stringContents(
  { minLength, maxLength, pattern, format }: StringBounds,
  spelling: (set: CodePoints) => Regular = jsonCharacter,
): Automaton {
  const languages = [pattern, format === undefined ? undefined : FORMATS[format]!]
    .filter((expression) => expression !== undefined)
    .map((expression) => patternLanguage(expression, spelling));
  if (languages.length === 0 || minLength > 0 || maxLength < Infinity)
    languages.push(determinize(repeat(spelling(ALL_CODE_POINTS), minLength, maxLength)));
  return languages.reduce(intersection);
}

/** So many characters, in any spelling. */
function counted(min: number, max: number): Automaton {
  return explore<{ readonly count: number; readonly state: number }>(
    {
      start: { count: 0, state: 0 },
      key: ({ count, state }) => count * CHARACTER.accepts.length + state,
      accepts: ({ count, state }) => state === 0 && count >= min,
      step({ count, state }, byte) {
        const next = count === max ? -1 : step(CHARACTER, state, byte);
        if (next < 0) return undefined;
        if (CHARACTER.accepts[next] !== 1) return { count, state: next };
        return { count: max === Infinity ? Math.min(count + 1, min) : count + 1, state: 0 };
      },
    },
    CHARACTER.classes,
  );
}

/** What an automaton reads, in quotes. A quote in it stands behind a backslash, where it cannot end. */
export function quoted(contents: Automaton): Automaton {
  const [before, behind] = [-1, contents.accepts.length];
  if (isEmpty(contents)) return contents;
  return explore<number>(
    {
      start: before,
      key: (state) => state,
      accepts: (state) => state === behind,
      step(state, byte) {
        if (state === behind) return undefined;
        if (state === before) return byte === QUOTE_BYTE ? 0 : undefined;
        const next = step(contents, state, byte);
        if (next >= 0) return next;
        return byte === QUOTE_BYTE && contents.accepts[state] === 1 ? behind : undefined;
      },
    },
    classesFrom((byte) => (byte === QUOTE_BYTE ? -1 : contents.classes.of[byte]!)),
  );
}
