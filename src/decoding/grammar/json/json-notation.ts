/** JSON as a notation of values. */
import { automatonOf, type Grammar, regularOf, textOf } from "../grammar.ts";
import { difference } from "../regular/automaton.ts";
import { determinize } from "../regular/determinize.ts";
import { either, type Regular, sequence, text } from "../regular/regular.ts";
import { ANY_NUMBER, ANY_STRING, quoted, SPACE, stringContents, strings } from "./json-texts.ts";
import { type Marks, type Notation, type StringBounds, UNBOUNDED } from "./notation.ts";
import { anyValues } from "./structures.ts";

const regular = (...parts: readonly Regular[]) => regularOf(sequence(...parts));

const MARKS: Marks = {
  comma: regular(text(","), SPACE),
  colon: regular(text(":"), SPACE),
  openArray: regular(text("["), SPACE),
  closeArray: regular(SPACE, text("]")),
  openObject: regular(text("{"), SPACE),
  closeObject: regular(SPACE, text("}")),
};

/** Numbers and words, which are written alike in other notations. */
export const BARE_VALUES: Regular = either(ANY_NUMBER, text("true"), text("false"), text("null"));

export const JSON_NOTATION: Notation = {
  name: "JSON",
  ...MARKS,
  ...anyValues(MARKS, { string: ANY_STRING, key: ANY_STRING, bare: regularOf(BARE_VALUES) }),
  ordered: (names) => names,
  key: (name) => textOf(JSON.stringify(name)),
  string: strings,
  literal: (value) => text(JSON.stringify(value)),
  /** In one spelling, so that it is none of them in another. */
  otherKey(bounds: StringBounds, taken: readonly string[]): Grammar {
    if (taken.length === 0 && bounds === UNBOUNDED) return ANY_STRING;
    const names = determinize(either(...taken.map((name) => text(JSON.stringify(name).slice(1, -1)))));
    return automatonOf(quoted(difference(stringContents(bounds), names)));
  },
};
