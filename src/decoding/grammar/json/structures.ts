/** Arrays and objects: from keywords to grammars. */
import { OptionError } from "../../../errors.ts";
import { describe, isJsonObject, type JsonObject } from "../../../json-object.ts";
import { automatonOf, choiceOf, type Grammar, NONE, regularOf, repeatOf, type Rule, ruleOf, sequenceOf, textOf } from "../grammar.ts"; // prettier-ignore
import { type Automaton, difference } from "../regular/automaton.ts";
import { determinize } from "../regular/determinize.ts";
import { either, type Regular, sequence, text } from "../regular/regular.ts";
import { ANY_NUMBER, ANY_STRING, quoted, SPACE, stringContents, UNBOUNDED } from "./json-texts.ts";
import { inSchema, stringBounds } from "./scalar-values.ts";
import { checkKeywords, countOf, KEYWORDS_OF } from "./schema-keywords.ts";

/** Makes the grammar of a schema inside of another. */
export type WriteSchema = (schema: unknown, where: string) => Grammar;

export const OBJECT_KEYWORDS = KEYWORDS_OF.object;

const regular = (...parts: readonly Regular[]) => regularOf(sequence(...parts));
const COMMA = regular(text(","), SPACE);
const COLON = regular(text(":"), SPACE);
const OPEN_ARRAY = regular(text("["), SPACE);
const CLOSE_ARRAY = regular(SPACE, text("]"));
const OPEN_OBJECT = regular(text("{"), SPACE);
const CLOSE_OBJECT = regular(SPACE, text("}"));

/** At least `min` of a part and at most `max`, with commas between them. */
function listed(part: Grammar, min: number, max: number): Grammar {
  if (max < min || max < 1) return max < min ? NONE : sequenceOf();
  const some = sequenceOf(part, repeatOf(sequenceOf(COMMA, part), Math.max(min - 1, 0), max - 1));
  return min === 0 ? choiceOf(sequenceOf(), some) : some;
}

const array = (inner: Grammar): Grammar => sequenceOf(OPEN_ARRAY, inner, CLOSE_ARRAY);

/** @throws OptionError for `uniqueItems`, and for counts that are none */
export function arrayOf(schema: JsonObject, where: string, write: WriteSchema): Grammar {
  if (schema["uniqueItems"] !== undefined && schema["uniqueItems"] !== false)
    throw new OptionError(`${where}.uniqueItems: got true, need a schema without it: answers cannot be held to it`);
  const [min, max] = [countOf(schema, "minItems", 0, where), countOf(schema, "maxItems", Infinity, where)];
  const isTuple = Array.isArray(schema["items"]);
  const [first, others] = isTuple ? (["items", "additionalItems"] as const) : (["prefixItems", "items"] as const);
  const prefix = schema[first];
  if (prefix === undefined) return array(listed(write(schema["items"] ?? true, `${where}.items`), min, max));
  if (!Array.isArray(prefix)) throw new OptionError(`${where}.${first}: got ${describe(prefix)}, need an array of schemas`);
  const parts = prefix.slice(0, max).map((part, i) => write(part, `${where}.${first}.${i}`));
  const rest = write(schema[others] ?? false, `${where}.${others}`);
  const commas = parts.flatMap((part, i) => (i === 0 ? [part] : [COMMA, part]));
  const more = repeatOf(sequenceOf(COMMA, rest), Math.max(min - parts.length, 0), max - parts.length);
  return array(parts.length === 0 ? listed(rest, min, max) : sequenceOf(...commas, more));
}

/** A property that a schema names. */
interface Property {
  readonly pair: Grammar;
  readonly isRequired: boolean;
}

/** @throws OptionError for what objects cannot be held to */
export function objectOf(schema: JsonObject, where: string, write: WriteSchema): Grammar {
  const properties = fieldOf(schema, "properties", where);
  const required = requiredOf(schema, where);
  const others = schema["additionalProperties"];
  const names = [...new Set([...Object.keys(properties), ...required])];
  const all = names.map((name): Property => {
    const isNamed = Object.hasOwn(properties, name);
    const value = isNamed
      ? write(properties[name], `${where}.properties.${name}`)
      : write(others ?? true, `${where}.additionalProperties`);
    return { pair: sequenceOf(textOf(JSON.stringify(name)), COLON, value), isRequired: required.includes(name) };
  });
  // Where no properties are named, what an object has is not said, unless others are forbidden.
  const open = others ?? (schema["properties"] === undefined && required.length === 0);
  const isOpen = checkKeywords(open, `${where}.additionalProperties`) !== false;
  const more = isOpen ? sequenceOf(otherKey(schema, names, where), COLON, write(open, `${where}.additionalProperties`)) : NONE;
  return sequenceOf(OPEN_OBJECT, inOrder(all, more, countsOf(schema, all, isOpen, where)), CLOSE_OBJECT);
}

/** How many there may be of other properties. */
interface Counts {
  readonly min: number;
  readonly max: number;
}

/** @throws OptionError for counts that depend on which of the named properties come */
function countsOf(schema: JsonObject, named: readonly Property[], isOpen: boolean, where: string): Counts {
  const [min, max] = [countOf(schema, "minProperties", 0, where), countOf(schema, "maxProperties", Infinity, where)];
  const required = named.filter(({ isRequired }) => isRequired).length;
  // Other names may come twice, so that at least so many cannot be seen to.
  const least = Math.max(min - required, 0);
  if (least > 1 || (least === 1 && (!isOpen || required < named.length)))
    throw new OptionError(`${where}.minProperties: got ${min}, need at most ${required}, the required ones`);
  if (max < named.length)
    throw new OptionError(`${where}.maxProperties: got ${max}, need at least ${named.length}, the named ones`);
  return { min: least, max: max - named.length };
}

/** Properties in their order, those that are not required perhaps left out, then others. */
function inOrder(properties: readonly Property[], other: Grammar, { min, max }: Counts): Grammar {
  /** What follows, where a property has come already (with a comma), and where none has. */
  let [after, first] = [repeatOf(sequenceOf(COMMA, other), min, max), listed(other, min, max)];
  for (const [i, { pair, isRequired }] of [...properties.entries()].toReversed()) {
    // Named, since each of them is gone on to from two places.
    const rest: Rule = { name: `properties behind ${i}`, body: after };
    const then = sequenceOf(pair, ruleOf(rest));
    const none: Rule = { name: `properties from ${i}`, body: first };
    after = isRequired ? sequenceOf(COMMA, then) : choiceOf(sequenceOf(COMMA, then), ruleOf(rest));
    first = isRequired ? then : choiceOf(then, ruleOf(none));
  }
  return first;
}

/** A key that no property is named; in one spelling, so that it is none of them in another. */
function otherKey(schema: JsonObject, names: readonly string[], where: string): Grammar {
  const about = checkKeywords(schema["propertyNames"] ?? true, `${where}.propertyNames`);
  if (about === false) return NONE;
  const bounds = about === true ? UNBOUNDED : stringBounds(about, `${where}.propertyNames`);
  const known = ["type", "minLength", "maxLength", "pattern", "format"];
  const unknown = about === true ? undefined : Object.keys(about).find((keyword) => !known.includes(keyword));
  if (unknown !== undefined)
    throw new OptionError(`${where}.propertyNames: got ${unknown}, need no keywords but ${known.join(", ")}`);
  if (names.length === 0 && about === true) return ANY_STRING;
  return inSchema(`${where}.propertyNames`, () => {
    const taken: Automaton = determinize(either(...names.map((name) => text(JSON.stringify(name).slice(1, -1)))));
    return automatonOf(quoted(difference(stringContents(bounds), taken)));
  });
}

function fieldOf(schema: JsonObject, keyword: string, where: string): JsonObject {
  const value = schema[keyword] ?? {};
  if (isJsonObject(value)) return value;
  throw new OptionError(`${where}.${keyword}: got ${describe(value)}, need an object`);
}

function requiredOf(schema: JsonObject, where: string): readonly string[] {
  const value = schema["required"] ?? [];
  if (Array.isArray(value) && value.every((name) => typeof name === "string")) return value;
  throw new OptionError(`${where}.required: got ${describe(value)}, need an array of names`);
}

/** Any JSON value, one for all grammars. */
const VALUE: Rule = { name: "value", body: NONE };
const OBJECT: Rule = { name: "object", body: NONE };
const anyPair = sequenceOf(ANY_STRING, COLON, ruleOf(VALUE));
OBJECT.body = sequenceOf(OPEN_OBJECT, listed(anyPair, 0, Infinity), CLOSE_OBJECT);
VALUE.body = choiceOf(
  ruleOf(OBJECT),
  array(listed(ruleOf(VALUE), 0, Infinity)),
  ANY_STRING,
  regularOf(either(ANY_NUMBER, text("true"), text("false"), text("null"))),
);

export const anyObject = (): Grammar => ruleOf(OBJECT);
export const anyValue = (): Grammar => ruleOf(VALUE);
