/**
 * JSON Schema to a grammar: every text of it is a value that the schema holds for, as JSON or in a notation
 * of a model. It is narrower than the schema where a model would only go astray: properties come in one
 * order, in JSON that of the schema, and others than those only where it says `additionalProperties`; numbers
 * have at most 15 digits.
 */
import { OptionError } from "../../../errors.ts";
import { describe, isJsonObject, type JsonObject } from "../../../json-object.ts";
import { choiceOf, type Grammar, NONE, type Rule, ruleOf, textOf } from "../grammar.ts";
import { mergeSchemas } from "./merge-schemas.ts";
import { checkDisjoint } from "./one-of.ts";
import { JSON_NOTATION } from "./json-notation.ts";
import type { Notation } from "./notation.ts";
import { isOfType, literalsOf, literalValues, numberValues, stringValues } from "./scalar-values.ts";
import { checkKeywords, isAnnotation, type JsonType, type Schema, typesOf } from "./schema-keywords.ts";
import { arrayOf, objectOf, OBJECT_KEYWORDS, type WriteSchema } from "./structures.ts";

/** Schemas inside of schemas, references followed. */
const MOST_DEPTH = 64;
/** Schemas in all. */
const MOST_SCHEMAS = 10_000;

/**
 * @param where what the schema is called in messages
 * @throws OptionError naming what answers cannot be held to
 */
export function schemaGrammar(schema: unknown, where: string, notation: Notation = JSON_NOTATION): Grammar {
  return new SchemaWriter(schema, where, notation).write();
}

class SchemaWriter {
  readonly #root: unknown;
  readonly #where: string;
  readonly #notation: Notation;
  readonly #references = new Map<string, Rule>();
  #depth = 0;
  #count = 0;

  constructor(root: unknown, where: string, notation: Notation) {
    this.#root = root;
    this.#where = where;
    this.#notation = notation;
  }

  write(): Grammar {
    return this.#value(this.#root, this.#where);
  }

  readonly #value: WriteSchema = (unchecked, where) => {
    const schema = checkKeywords(unchecked, where);
    if (schema === true) return this.#notation.value;
    if (schema === false) return NONE;
    if (++this.#depth > MOST_DEPTH)
      throw new OptionError(`${where}: got schemas nested more than ${MOST_DEPTH} deep, need at most that`);
    if (++this.#count > MOST_SCHEMAS)
      throw new OptionError(`${this.#where}: got more than ${MOST_SCHEMAS} schemas, need at most that`);
    const grammar = this.#object(schema, where);
    this.#depth--;
    return grammar;
  };

  #object(schema: JsonObject, where: string): Grammar {
    const { $ref, allOf, anyOf, oneOf, ...rest } = schema;
    if ($ref !== undefined) return this.#reference($ref, { ...rest, ...defined({ allOf, anyOf, oneOf }) }, where);
    if (allOf !== undefined) {
      const parts = listOf(allOf, `${where}.allOf`).map((part, i) => this.#resolved(part, `${where}.allOf.${i}`));
      const beside: Schema = { ...rest, ...defined({ anyOf, oneOf }) };
      return this.#value(
        parts.reduce((a, b) => mergeSchemas(a, b, where), beside),
        where,
      );
    }
    for (const [keyword, branches] of Object.entries(defined({ anyOf, oneOf }))) {
      const beside = { ...rest, ...(keyword === "anyOf" && defined({ oneOf })) };
      const place = `${where}.${keyword}`;
      const merged = listOf(branches, place).map((branch, i) => this.#besideBranch(beside, branch, `${place}.${i}`));
      if (keyword === "oneOf")
        checkDisjoint(
          merged.map((branch, i) => this.#resolved(branch, `${place}.${i}`)),
          place,
        );
      return choiceOf(...merged.map((branch, i) => this.#value(branch, `${place}.${i}`)));
    }
    return this.#plain(schema, where);
  }

  /** A branch stays a reference, which may be to itself, where nothing has to be added. */
  #besideBranch(beside: JsonObject, branch: unknown, where: string): Schema {
    const isAlone = Object.keys(beside).every((keyword) => keyword === "$defs" || keyword === "definitions");
    return isAlone ? checkKeywords(branch, where) : mergeSchemas(beside, this.#resolved(branch, where), where);
  }

  #reference(reference: unknown, beside: JsonObject, where: string): Grammar {
    const found = this.#find(reference, where);
    const others = Object.keys(beside).filter((keyword) => !isAnnotation(keyword));
    if (others.length > 0) return this.#value(mergeSchemas(this.#resolved(found, where), beside, where), where);
    const name = String(reference);
    let rule = this.#references.get(name);
    if (!rule) {
      this.#references.set(name, (rule = { name, body: NONE }));
      rule.body = this.#value(found, `${this.#where}.${name}`);
    }
    return ruleOf(rule);
  }

  /** A schema without a reference at its top. */
  #resolved(unchecked: unknown, where: string): Schema {
    let schema = checkKeywords(unchecked, where);
    for (let followed = 0; typeof schema === "object" && schema["$ref"] !== undefined; followed++) {
      if (followed === MOST_DEPTH) throw new OptionError(`${where}: got references that lead to each other, need them to end`);
      const { $ref, ...beside } = schema;
      schema = mergeSchemas(checkKeywords(this.#find($ref, where), where), beside, where);
    }
    return schema;
  }

  /** What a reference inside of the schema, such as `#/$defs/node`, leads to. */
  #find(reference: unknown, where: string): unknown {
    if (typeof reference !== "string" || !/^#(?:\/|$)/.test(reference))
      throw new OptionError(`${where}.$ref: got ${describe(reference)}, need a place in the same schema, as #/$defs/NAME`);
    let found = this.#root;
    for (const part of reference.split("/").slice(1)) {
      const name = decodePart(part);
      const isThere = (isJsonObject(found) || Array.isArray(found)) && Object.hasOwn(found, name);
      if (!isThere) throw new OptionError(`${where}.$ref: got ${describe(reference)}, need a place that is there`);
      found = (found as JsonObject)[name];
    }
    return found;
  }

  /** A schema of values, without any that are put together of others. */
  #plain(schema: JsonObject, where: string): Grammar {
    const types = typesOf(schema, where);
    const values = literalsOf(schema, where);
    if (values) {
      const fitting = values.filter((value) => !types || types.some((type) => isOfType(value, type)));
      const beside = Object.keys(schema).filter(
        (keyword) => !isAnnotation(keyword) && !["type", "enum", "const"].includes(keyword),
      );
      if (beside.length > 0) throw new OptionError(`${where}: got ${beside[0]} beside enum or const, need one of them`);
      return literalValues(fitting, `${where}.enum`, this.#notation);
    }
    if (!types) return this.#notation.value;
    const written = types.includes("number") ? types.filter((type) => type !== "integer") : types;
    return choiceOf(...[...new Set(written)].map((type) => this.#ofType(type, schema, where)));
  }

  #ofType(type: JsonType, schema: JsonObject, where: string): Grammar {
    switch (type) {
      case "null":
        return textOf("null");
      case "boolean":
        return choiceOf(textOf("true"), textOf("false"));
      case "integer":
      case "number":
        return numberValues(schema, type, where);
      case "string":
        return stringValues(schema, where, this.#notation);
      case "array":
        return arrayOf(schema, where, this.#value, this.#notation);
      case "object": {
        const isFree = OBJECT_KEYWORDS.every((keyword) => schema[keyword] === undefined);
        return isFree ? this.#notation.object : objectOf(schema, where, this.#value, this.#notation);
      }
    }
  }
}

const defined = (fields: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));

function listOf(value: unknown, where: string): readonly unknown[] {
  if (Array.isArray(value) && value.length > 0) return value;
  throw new OptionError(`${where}: got ${describe(value)}, need an array of schemas`);
}

/** A part of a JSON pointer in a URL. */
function decodePart(part: string): string {
  let decoded = part;
  try {
    decoded = decodeURIComponent(part);
  } catch {
    // A percent sign that stands for itself.
  }
  return decoded.replaceAll("~1", "/").replaceAll("~0", "~");
}
