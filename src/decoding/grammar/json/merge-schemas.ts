/** Two schemas as one that holds to both, for `allOf` and for what stands beside `$ref` and `anyOf`. */
import { OptionError } from "../../../errors.ts";
import { isJsonObject, type JsonObject } from "../../../json-object.ts";
import { isAnnotation, type JsonType, type Schema } from "./schema-keywords.ts";

const LARGER = new Set(["minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"]);
const SMALLER = new Set(["maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"]);

/** @throws OptionError naming the keyword that both have and cannot be put together */
export function mergeSchemas(a: Schema, b: Schema, where: string): Schema {
  if (a === false || b === false) return false;
  if (a === true) return b;
  if (b === true) return a;
  const merged: JsonObject = { ...a };
  for (const [keyword, value] of Object.entries(b)) {
    if (isAnnotation(keyword)) merged[keyword] ??= value;
    else if (a[keyword] === undefined) merged[keyword] = value;
    else merged[keyword] = mergeKeyword(keyword, a[keyword], value, where);
  }
  checkClosed(a, b, where);
  return merged;
}

function mergeKeyword(keyword: string, a: unknown, b: unknown, where: string): unknown {
  if (JSON.stringify(a) === JSON.stringify(b)) return a;
  if (typeof a === "number" && typeof b === "number") {
    if (LARGER.has(keyword)) return Math.max(a, b);
    if (SMALLER.has(keyword)) return Math.min(a, b);
  }
  if (keyword === "required" && Array.isArray(a) && Array.isArray(b))
    return [...new Set([...(a as unknown[]), ...(b as unknown[])])];
  if (keyword === "type") return commonTypes(a, b);
  if (keyword === "properties" && isJsonObject(a) && isJsonObject(b)) return mergeProperties(a, b, where);
  if (keyword === "items" || keyword === "additionalProperties")
    return mergeSchemas(a as Schema, b as Schema, `${where}.${keyword}`);
  if (keyword === "enum" && Array.isArray(a) && Array.isArray(b)) {
    const texts = new Set(b.map((value) => JSON.stringify(value)));
    return a.filter((value) => texts.has(JSON.stringify(value)));
  }
  throw new OptionError(`${where}: got ${keyword} twice, need it once: they cannot be put together`);
}

function mergeProperties(a: JsonObject, b: JsonObject, where: string): JsonObject {
  const merged: JsonObject = { ...a };
  for (const [name, schema] of Object.entries(b)) {
    const other = Object.hasOwn(a, name) ? a[name] : true;
    define(merged, name, mergeSchemas(other as Schema, schema as Schema, `${where}.properties.${name}`));
  }
  return merged;
}

/** A property may be called as a setter is. */
function define(object: JsonObject, name: string, value: unknown): void {
  Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
}

function commonTypes(a: unknown, b: unknown): JsonType[] {
  const [these, those] = [a, b].map((type) => (Array.isArray(type) ? type : [type]) as JsonType[]) as [JsonType[], JsonType[]];
  const isIn = (type: JsonType, types: readonly JsonType[]) =>
    types.includes(type) || (type === "integer" && types.includes("number"));
  return [...new Set([...these.filter((type) => isIn(type, those)), ...those.filter((type) => isIn(type, these))])];
}

/** A part that allows no properties but its own would refuse those of the other. */
function checkClosed(a: JsonObject, b: JsonObject, where: string): void {
  for (const [closed, open] of [
    [a, b],
    [b, a],
  ] as const) {
    // prettier-ignore
    if (closed["additionalProperties"] !== false) continue;
    const own = isJsonObject(closed["properties"]) ? closed["properties"] : {};
    const others = isJsonObject(open["properties"]) ? Object.keys(open["properties"]) : [];
    const stranger = others.find((name) => !Object.hasOwn(own, name));
    if (stranger === undefined) continue;
    throw new OptionError(
      `${where}: got additionalProperties false beside the property ${JSON.stringify(stranger)} of another part, need one that allows it`,
    );
  }
}
