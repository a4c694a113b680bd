/** Values without parts, and values a schema lists: from keywords to grammars. */
import { OptionError } from "../../../errors.ts";
import { describe, isJsonObject, type JsonObject } from "../../../json-object.ts";
import { shown } from "../../../need.ts";
import { automatonOf, type Grammar, NONE, regularOf } from "../grammar.ts";
import { isEmpty } from "../regular/automaton.ts";
import { either } from "../regular/regular.ts";
import { FORMATS } from "./formats.ts";
import { ANY_NUMBER } from "./json-texts.ts";
import type { Notation, StringBounds } from "./notation.ts";
import { numberLanguage } from "./number-language.ts";
import { countOf, type JsonType, numberOf, textOfKeyword } from "./schema-keywords.ts";

/** Numbers that may be asked for multiples of: each remainder is a state. */
const LARGEST_MULTIPLE = 1000;

/** @throws OptionError for bounds that no number is between, or that cannot be carried out */
export function numberValues(schema: JsonObject, type: "integer" | "number", where: string): Grammar {
  const [minimum, above] = [
    numberOf(schema, "minimum", -Infinity, where),
    numberOf(schema, "exclusiveMinimum", -Infinity, where),
  ];
  const [maximum, below] = [numberOf(schema, "maximum", Infinity, where), numberOf(schema, "exclusiveMaximum", Infinity, where)];
  const multipleOf = numberOf(schema, "multipleOf", 1, where);
  if (!Number.isInteger(multipleOf) || multipleOf < 1 || multipleOf > LARGEST_MULTIPLE)
    throw new OptionError(`${where}.multipleOf: got ${multipleOf}, need a whole number from 1 to ${LARGEST_MULTIPLE}`);
  // Multiples of a whole number are whole.
  const isInteger = type === "integer" || schema["multipleOf"] !== undefined;
  const bounds = {
    minimum: Math.max(minimum, above),
    maximum: Math.min(maximum, below),
    excludesMinimum: above >= minimum,
    excludesMaximum: below <= maximum,
    isInteger,
    multipleOf,
  };
  if (!isInteger && bounds.minimum === -Infinity && bounds.maximum === Infinity) return NUMBER;
  return inSchema(where, () => automatonOf(numberLanguage(bounds)));
}

const NUMBER = regularOf(ANY_NUMBER);

/** @throws OptionError for a pattern or format that cannot be carried out, or that no string has */
export function stringValues(schema: JsonObject, where: string, notation: Notation): Grammar {
  const place = schema["pattern"] === undefined ? where : `${where}.pattern`;
  return inSchema(place, () => notation.string(stringBounds(schema, where)));
}

/** @throws OptionError */
export function stringBounds(schema: JsonObject, where: string): StringBounds {
  const format = textOfKeyword(schema, "format", where);
  if (format !== undefined && !Object.hasOwn(FORMATS, format))
    throw new OptionError(`${where}.format: got ${shown(format)}, need one of ${Object.keys(FORMATS).join(", ")}`);
  return {
    minLength: countOf(schema, "minLength", 0, where),
    maxLength: countOf(schema, "maxLength", Infinity, where),
    pattern: textOfKeyword(schema, "pattern", where),
    format,
  };
}

/** Runs what a schema may make too large, or malformed. */
export function inSchema(where: string, work: () => Grammar): Grammar {
  let grammar: Grammar;
  try {
    grammar = work();
  } catch (cause) {
    if (!(cause instanceof SyntaxError || cause instanceof RangeError)) throw cause;
    throw new OptionError(`${where}: got ${cause.message}, need one that can be carried out`, { cause });
  }
  return grammar.kind === "regular" && isEmpty(grammar.automaton) ? NONE : grammar;
}

/** The values that `enum` and `const` list; undefined for a schema with neither. */
export function literalsOf(schema: JsonObject, where: string): readonly unknown[] | undefined {
  const { enum: listed, const: only } = schema;
  const hasConst = Object.hasOwn(schema, "const");
  if (listed === undefined) return hasConst ? [only] : undefined;
  if (!Array.isArray(listed) || listed.length === 0)
    throw new OptionError(`${where}.enum: got ${describe(listed)}, need an array of values`);
  return hasConst ? listed.filter((value) => JSON.stringify(value) === JSON.stringify(only)) : (listed as unknown[]);
}

/** Exactly one of some values, written without spaces. */
export function literalValues(values: readonly unknown[], where: string, notation: Notation): Grammar {
  if (values.length === 0) return NONE;
  return inSchema(where, () => regularOf(either(...values.map((value) => notation.literal(value)))));
}

export function isOfType(value: unknown, type: JsonType): boolean {
  switch (type) {
    case "null":
      return value === null;
    case "array":
      return Array.isArray(value);
    case "object":
      return isJsonObject(value);
    case "integer":
      return Number.isInteger(value);
    default:
      return typeof value === type;
  }
}
