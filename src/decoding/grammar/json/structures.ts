/** Arrays and objects: from keywords to grammars. */
import { OptionError } from "../../../errors.ts";
import { describe, isJsonObject, type JsonObject } from "../../../json-object.ts";
import { choiceOf, type Grammar, NONE, repeatOf, type Rule, ruleOf, sequenceOf } from "../grammar.ts";
import { type Marks, type Notation, UNBOUNDED } from "./notation.ts";
import { inSchema, stringBounds } from "./scalar-values.ts";
import { checkKeywords, countOf, KEYWORDS_OF } from "./schema-keywords.ts";

/** Makes the grammar of a schema inside of another. */
export type WriteSchema = (schema: unknown, where: string) => Grammar;

export const OBJECT_KEYWORDS = KEYWORDS_OF.object;

/** At least `min` of a part and at most `max`, with commas between them. */
function listed(part: Grammar, min: number, max: number, { comma }: Marks): Grammar {
  if (max < min || max < 1) return max < min ? NONE : sequenceOf();
  const some = sequenceOf(part, repeatOf(sequenceOf(comma, part), Math.max(min - 1, 0), max - 1));
  return min === 0 ? choiceOf(sequenceOf(), some) : some;
}

const array = (inner: Grammar, { openArray, closeArray }: Marks): Grammar => sequenceOf(openArray, inner, closeArray);

/** @throws OptionError for `uniqueItems`, and for counts that are none */
export function arrayOf(schema: JsonObject, where: string, write: WriteSchema, marks: Marks): Grammar {
  const { comma } = marks;
  if (schema["uniqueItems"] !== undefined && schema["uniqueItems"] !== false)
    throw new OptionError(`${where}.uniqueItems: got true, need a schema without it: answers cannot be held to it`);
  const [min, max] = [countOf(schema, "minItems", 0, where), countOf(schema, "maxItems", Infinity, where)];
  const isTuple = Array.isArray(schema["items"]);
  const [first, others] = isTuple ? (["items", "additionalItems"] as const) : (["prefixItems", "items"] as const);
  const prefix = schema[first];
  if (prefix === undefined) return array(listed(write(schema["items"] ?? true, `${where}.items`), min, max, marks), marks);
  if (!Array.isArray(prefix)) throw new OptionError(`${where}.${first}: got ${describe(prefix)}, need an array of schemas`);
  const parts = prefix.slice(0, max).map((part, i) => write(part, `${where}.${first}.${i}`));
  const rest = write(schema[others] ?? false, `${where}.${others}`);
  const commas = parts.flatMap((part, i) => (i === 0 ? [part] : [comma, part]));
  const more = repeatOf(sequenceOf(comma, rest), Math.max(min - parts.length, 0), max - parts.length);
  return array(parts.length === 0 ? listed(rest, min, max, marks) : sequenceOf(...commas, more), marks);
}

/** A property that a schema names. */
interface Property {
  readonly pair: Grammar;
  readonly isRequired: boolean;
}

/** @throws OptionError for what objects cannot be held to */
export function objectOf(schema: JsonObject, where: string, write: WriteSchema, notation: Notation): Grammar {
  const properties = fieldOf(schema, "properties", where);
  const required = requiredOf(schema, where);
  const others = schema["additionalProperties"];
  const names = notation.ordered([...new Set([...Object.keys(properties), ...required])]);
  const all = names.map((name): Property => {
    const isNamed = Object.hasOwn(properties, name);
    const value = isNamed
      ? write(properties[name], `${where}.properties.${name}`)
      : write(others ?? true, `${where}.additionalProperties`);
    const key = inSchema(`${where}.properties`, () => notation.key(name));
    return { pair: sequenceOf(key, notation.colon, value), isRequired: required.includes(name) };
  });
  // Where no properties are named, what an object has is not said, unless others are forbidden.
  const open = others ?? (schema["properties"] === undefined && required.length === 0);
  const isOpen = checkKeywords(open, `${where}.additionalProperties`) !== false;
  const other = () =>
    sequenceOf(otherKey(schema, names, where, notation), notation.colon, write(open, `${where}.additionalProperties`));
  const inner = inOrder(all, isOpen ? other() : NONE, countsOf(schema, all, isOpen, where), notation);
  return sequenceOf(notation.openObject, inner, notation.closeObject);
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
function inOrder(properties: readonly Property[], other: Grammar, { min, max }: Counts, marks: Marks): Grammar {
  const { comma } = marks;
  /** What follows, where a property has come already (with a comma), and where none has. */
  let [after, first] = [repeatOf(sequenceOf(comma, other), min, max), listed(other, min, max, marks)];
  for (const [i, { pair, isRequired }] of [...properties.entries()].toReversed()) {
    // Named, since each of them is gone on to from two places.
    const rest: Rule = { name: `properties behind ${i}`, body: after };
    const then = sequenceOf(pair, ruleOf(rest));
    const none: Rule = { name: `properties from ${i}`, body: first };
    after = isRequired ? sequenceOf(comma, then) : choiceOf(sequenceOf(comma, then), ruleOf(rest));
    first = isRequired ? then : choiceOf(then, ruleOf(none));
  }
  return first;
}

/** A key that no property is named. */
function otherKey(schema: JsonObject, names: readonly string[], where: string, notation: Notation): Grammar {
  const about = checkKeywords(schema["propertyNames"] ?? true, `${where}.propertyNames`);
  if (about === false) return NONE;
  const bounds = about === true ? UNBOUNDED : stringBounds(about, `${where}.propertyNames`);
  const known = ["type", "minLength", "maxLength", "pattern", "format"];
  const unknown = about === true ? undefined : Object.keys(about).find((keyword) => !known.includes(keyword));
  if (unknown !== undefined)
    throw new OptionError(`${where}.propertyNames: got ${unknown}, need no keywords but ${known.join(", ")}`);
  return inSchema(`${where}.propertyNames`, () => notation.otherKey(bounds, names));
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

/**
 * Any object and any value in a notation.
 * @param string any text @param key any name of a property @param bare any number, or word without quotes
 */
export function anyValues(
  marks: Marks,
  { string, key, bare }: { string: Grammar; key: Grammar; bare: Grammar },
): Pick<Notation, "object" | "value"> {
  const value: Rule = { name: "value", body: NONE };
  const object: Rule = { name: "object", body: NONE };
  const pairs = listed(sequenceOf(key, marks.colon, ruleOf(value)), 0, Infinity, marks);
  object.body = sequenceOf(marks.openObject, pairs, marks.closeObject);
  value.body = choiceOf(ruleOf(object), array(listed(ruleOf(value), 0, Infinity, marks), marks), string, bare);
  return { object: ruleOf(object), value: ruleOf(value) };
}
