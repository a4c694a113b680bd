/**
 * Values as FunctionGemma's template writes them in calls: texts between marks and as they are, names of
 * properties bare and in alphabetical order, no white space.
 */
import { isJsonObject } from "../../json-object.ts";
import { automatonOf, choiceOf, type Grammar, regularOf, repeatOf, sequenceOf, specialBytes } from "../grammar/grammar.ts";
import { BARE_VALUES } from "../grammar/json/json-notation.ts";
import { LONGEST_COUNTED, stringContents } from "../grammar/json/json-texts.ts";
import { type Marks, type Notation, type StringBounds, UNBOUNDED } from "../grammar/json/notation.ts";
import { anyValues } from "../grammar/json/structures.ts";
import { type Automaton, classesFrom, difference, explore, intersection } from "../grammar/regular/automaton.ts";
import { ALL_CODE_POINTS, type CodePoints, LAST_CODE_POINT, utf8Character, without } from "../grammar/regular/code-points.ts";
import { determinize } from "../grammar/regular/determinize.ts";
import { bytes, either, type Regular, repeat, sequence, text } from "../grammar/regular/regular.ts";
import { GEMMA_ESCAPE, GEMMA_MARKS, GEMMA_STOP } from "./gemma-calls.ts";

const word = (value: string): Grammar => regularOf(text(value));
const MARKS: Marks = {
  comma: word(","),
  colon: word(":"),
  openArray: word("["),
  closeArray: word("]"),
  openObject: word("{"),
  closeObject: word("}"),
};

/** A mark is a special token of some vocabularies, and text in others. */
const ESCAPE: Regular = either(bytes(specialBytes(GEMMA_ESCAPE)), text(GEMMA_ESCAPE));
const escape = regularOf(ESCAPE);

/**
 * How the marks begin that would end a text, a call or the answer, as far as it takes to tell them from tags
 * of HTML: fewer states than whole marks take.
 */
const BEGINNINGS = [...GEMMA_MARKS, GEMMA_STOP].map((mark) => /^<(?:start_|end_|esc)/.exec(mark)![0]);

/** Texts without these. */
const PLAIN: Automaton = explore<string>(
  {
    start: "",
    key: (read) => read,
    step(read, byte) {
      let rest = read + String.fromCharCode(byte);
      while (!BEGINNINGS.some((begin) => begin.startsWith(rest))) rest = rest.slice(1);
      return BEGINNINGS.includes(rest) ? undefined : rest;
    },
    accepts: () => true,
  },
  classesFrom((byte) => (BEGINNINGS.join("").includes(String.fromCharCode(byte)) ? byte : -1)),
);

const contents = (bounds: StringBounds): Automaton => intersection(stringContents(bounds, utf8Character), PLAIN);
const ANY_TEXT = automatonOf(contents(UNBOUNDED));
const LESS_THAN = 0x3c;
/** For texts so long that their characters are counted one by one, where no beginning of a mark is seen. */
const CHARACTER = regularOf(utf8Character(without(ALL_CODE_POINTS, [[LESS_THAN, LESS_THAN]])));

function string(bounds: StringBounds): Grammar {
  const { minLength, maxLength, pattern, format } = bounds;
  const isBare = pattern === undefined && format === undefined;
  if (isBare && minLength === 0 && maxLength === Infinity) return sequenceOf(escape, ANY_TEXT, escape);
  const counted = maxLength === Infinity ? minLength : maxLength;
  const inner = isBare && counted > LONGEST_COUNTED ? repeatOf(CHARACTER, minLength, maxLength) : automatonOf(contents(bounds));
  return sequenceOf(escape, inner, escape);
}

/** Characters of names that are written bare: none that ends one, and no white space. */
const BARE: CodePoints = without(
  [[0x21, LAST_CODE_POINT]],
  [
    ...Array.from(':,{}[]<>"', (char) => [char.codePointAt(0)!, char.codePointAt(0)!] as const),
    [0x7f, 0xa0],
    [0x1680, 0x1680],
    [0x2000, 0x200f],
    [0x2028, 0x202f],
    [0x205f, 0x205f],
    [0x3000, 0x3000],
    [0xfeff, 0xfeff],
  ],
);
const NAMES = determinize(repeat(utf8Character(BARE), 1));
const isBareName = (name: string) =>
  name !== "" &&
  Array.from(name, (char) => char.codePointAt(0)!).every((code) => BARE.some(([from, to]) => from <= code && code <= to));

/** @throws RangeError for a text that has one of the marks in it */
function escaped(value: string): Regular {
  const found = BEGINNINGS.find((begin) => value.includes(begin));
  if (found !== undefined) throw new RangeError(`${JSON.stringify(found)} in a text, which calls of this model cannot have`);
  return sequence(ESCAPE, text(value), ESCAPE);
}

const name = (value: string): Regular => (isBareName(value) ? text(value) : escaped(value));

function literal(value: unknown): Regular {
  if (typeof value === "string") return escaped(value);
  if (Array.isArray(value)) return sequence(text("["), ...listed(value.map(literal)), text("]"));
  if (!isJsonObject(value)) return text(JSON.stringify(value));
  const pairs = ordered(Object.keys(value)).map((key) => sequence(name(key), text(":"), literal(value[key])));
  return sequence(text("{"), ...listed(pairs), text("}"));
}

const listed = (parts: readonly Regular[]) => parts.flatMap((part, i) => (i === 0 ? [part] : [text(","), part]));

/** As Jinja's `dictsort` has them. */
function ordered(names: readonly string[]): readonly string[] {
  const folded = names.map((one) => ({ one, low: one.toLowerCase() }));
  return folded.toSorted((a, b) => Number(a.low > b.low) - Number(a.low < b.low)).map(({ one }) => one);
}

export const GEMMA_NOTATION: Notation = {
  name: "FunctionGemma",
  ...MARKS,
  ...anyValues(MARKS, {
    string: sequenceOf(escape, ANY_TEXT, escape),
    key: automatonOf(NAMES),
    bare: choiceOf(regularOf(BARE_VALUES)),
  }),
  ordered,
  key: (value) => regularOf(name(value)),
  string,
  literal,
  /** Names that can be written bare. */
  otherKey(bounds, taken) {
    const bare = bounds === UNBOUNDED ? NAMES : intersection(stringContents(bounds, utf8Character), NAMES);
    return automatonOf(difference(bare, determinize(either(...taken.map(text)))));
  },
};
