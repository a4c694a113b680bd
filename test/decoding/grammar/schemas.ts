/** Schemas of the kinds that people write, by what is in them. */
import type { JsonObject } from "../../../src/json-object.ts";

const object = (properties: JsonObject, required = Object.keys(properties), rest: JsonObject = {}): JsonObject => ({
  type: "object",
  properties,
  required,
  additionalProperties: false,
  ...rest,
});
const short = { type: "string", maxLength: 8 };

export const SCHEMAS: Readonly<Record<string, JsonObject>> = {
  flat: object({ name: short, age: { type: "integer", minimum: 0, maximum: 150 }, alive: { type: "boolean" } }),
  "optional properties": object({ a: short, b: { type: "integer" }, c: { type: "null" }, d: { type: "boolean" } }, ["c"]),
  nested: object({ outer: object({ inner: object({ value: { enum: ["x", "y", "z"] } }) }) }),
  array: { type: "array", items: { type: "integer", minimum: -9, maximum: 9 }, minItems: 1, maxItems: 4 },
  "array of objects": { type: "array", items: object({ id: { type: "integer", multipleOf: 5, minimum: 0 }, tag: short }), maxItems: 2 },
  enum: { enum: ["red", "green", 3, null, true, ["a"], { b: 1 }] },
  const: object({ kind: { const: "event" }, at: { type: "string", format: "date" } }),
  tuple: object({ pair: { type: "array", prefixItems: [{ type: "number", minimum: 0, maximum: 1 }, { type: "boolean" }], minItems: 2, items: false } }),
  "types as a list": object({ value: { type: ["string", "null", "integer"], maxLength: 5 } }),
  "any of": object({ id: { anyOf: [{ type: "integer", minimum: 1 }, { type: "string", pattern: "^[a-f0-9]{6}$" }, { type: "null" }] } }),
  "one of, told apart": {
    oneOf: [
      object({ kind: { const: "circle" }, radius: { type: "number", exclusiveMinimum: 0, maximum: 100 } }),
      object({ kind: { const: "square" }, side: { type: "integer", minimum: 1, maximum: 12 } }),
    ],
  },
  "all of": { allOf: [{ type: "object", properties: { a: { type: "integer" } }, required: ["a"] }, { properties: { b: short }, required: ["b"] }] },
  "a list that ends": {
    $ref: "#/$defs/node",
    $defs: { node: object({ value: { type: "boolean" }, next: { anyOf: [{ $ref: "#/$defs/node" }, { type: "null" }] } }) },
  },
  patterns: object({ zip: { type: "string", pattern: "^\\d{5}(-\\d{4})?$" }, plate: { type: "string", pattern: "^(?!X)[A-Z]{1,3} [1-9]\\d{0,3}$" } }),
  formats: object({ id: { type: "string", format: "uuid" }, time: { type: "string", format: "date-time" }, ip: { type: "string", format: "ipv4" } }),
  numbers: object({ a: { type: "number", exclusiveMinimum: -1.5, exclusiveMaximum: 2.25 }, b: { type: "number", minimum: 1e-7, maximum: 1e3 }, c: { type: "number" } }),
  lengths: object({ code: { type: "string", minLength: 3, maxLength: 6 }, more: { type: "array", items: { type: "boolean" }, minItems: 2, maxItems: 5 } }),
  "other properties": { type: "object", properties: { a: { type: "boolean" } }, additionalProperties: { type: "integer" }, propertyNames: { pattern: "^[a-c]{1,2}$" }, maxProperties: 4 },
  "text that needs escapes": object({ 'a "quoted"\nname': { enum: ['"', "\\", "é\u0001", "😀"] }, "ключ": { type: "string", pattern: '^["\\\\]{2,3}$' } }),
  free: object({ any: { type: "object" }, list: { type: "array", items: {}, maxItems: 1 } }),
}; // prettier-ignore
