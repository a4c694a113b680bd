/** Keywords of JSON Schema: those that answers are held to, and those that only tell something. */
import { OptionError } from "../../../errors.ts";
import { describe, isJsonObject, type JsonObject } from "../../../json-object.ts";
import { shown } from "../../../need.ts";

export type Schema = boolean | JsonObject;
export type JsonType = "null" | "boolean" | "number" | "integer" | "string" | "array" | "object";

export const TYPES: readonly JsonType[] = ["null", "boolean", "integer", "number", "string", "array", "object"];

/** Keywords that say something of one kind of value, and so what a schema without `type` is about. */
export const KEYWORDS_OF = {
  object: ["properties", "required", "additionalProperties", "propertyNames", "minProperties", "maxProperties"],
  array: ["items", "prefixItems", "additionalItems", "minItems", "maxItems", "uniqueItems"],
  string: ["minLength", "maxLength", "pattern", "format"],
  number: ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"],
} as const satisfies Partial<Record<JsonType, readonly string[]>>;

/** Keywords of any value. */
const GENERAL = ["type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref"];

const ANNOTATIONS = new Set([
  "$schema", "$id", "id", "$anchor", "$comment", "$defs", "definitions", "title", "description", "default", "example", "examples",
  "deprecated", "readOnly", "writeOnly", "contentEncoding", "contentMediaType", "discriminator",
]); // prettier-ignore

const SUPPORTED = new Set([...GENERAL, ...Object.values(KEYWORDS_OF).flat()]);

/** Whether a keyword holds answers to nothing. */
export const isAnnotation = (keyword: string): boolean => ANNOTATIONS.has(keyword) || keyword.startsWith("x-");

/** @throws OptionError naming the first keyword that answers cannot be held to */
export function checkKeywords(schema: unknown, where: string): Schema {
  if (typeof schema === "boolean") return schema;
  if (!isJsonObject(schema)) throw new OptionError(`${where}: got ${describe(schema)}, need a JSON schema`);
  for (const keyword of Object.keys(schema)) {
    if (SUPPORTED.has(keyword) || isAnnotation(keyword)) continue;
    throw new OptionError(`${where}: got the keyword ${shown(keyword)}, need a schema without it: answers cannot be held to it`);
  }
  return schema;
}

/** Types a value may have: by `type`, or by the keywords there are; undefined for any. */
export function typesOf(schema: JsonObject, where: string): readonly JsonType[] | undefined {
  const { type } = schema;
  if (type !== undefined) {
    const types = Array.isArray(type) ? (type as unknown[]) : [type];
    const wrong = types.find((name) => !TYPES.includes(name as JsonType));
    if (wrong !== undefined || types.length === 0)
      throw new OptionError(`${where}.type: got ${describe(wrong ?? type)}, need one or several of ${TYPES.join(", ")}`);
    return types as JsonType[];
  }
  const meant = Object.entries(KEYWORDS_OF).filter(([, keywords]) => keywords.some((keyword) => schema[keyword] !== undefined));
  return meant.length === 0 ? undefined : meant.map(([name]) => name as JsonType);
}

/** A whole number of at least 0. @throws OptionError */
export function countOf(schema: JsonObject, keyword: string, fallback: number, where: string): number {
  const value = schema[keyword];
  if (value === undefined) return fallback;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw new OptionError(`${where}.${keyword}: got ${describe(value)}, need a whole number of at least 0`);
}

/** @throws OptionError */
export function numberOf(schema: JsonObject, keyword: string, fallback: number, where: string): number {
  const value = schema[keyword];
  if (value === undefined) return fallback;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw new OptionError(`${where}.${keyword}: got ${describe(value)}, need a number`);
}

/** @throws OptionError */
export function textOfKeyword(schema: JsonObject, keyword: string, where: string): string | undefined {
  const value = schema[keyword];
  if (value === undefined || typeof value === "string") return value;
  throw new OptionError(`${where}.${keyword}: got ${describe(value)}, need a text`);
}
