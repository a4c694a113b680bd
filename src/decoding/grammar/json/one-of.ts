/**
 * `oneOf` holds where exactly one of its schemas does, which a grammar cannot see in general. It can where no
 * value is of two of them: by type, or by a property that each says a value of its own for.
 */
import { OptionError } from "../../../errors.ts";
import { isJsonObject, type JsonObject } from "../../../json-object.ts";
import { type JsonType, type Schema, typesOf } from "./schema-keywords.ts";

/** @param branches without references at their top @throws OptionError unless no value is of two of them */
export function checkDisjoint(branches: readonly Schema[], where: string): void {
  for (const [i, a] of branches.entries()) {
    for (const [k, b] of branches.entries()) {
      if (k <= i || areDisjoint(a, b, where)) continue;
      throw new OptionError(
        `${where}: got ${i} and ${k}, which one value may be both of, need schemas that differ in type or in the const of a required property; or anyOf`,
      );
    }
  }
}

function areDisjoint(a: Schema, b: Schema, where: string): boolean {
  if (a === false || b === false) return true;
  if (a === true || b === true) return false;
  const [values, others] = [constants(a), constants(b)];
  if (values && others) return differ(values, others);
  const [types, otherTypes] = [typesOf(a, where), typesOf(b, where)];
  if (types && otherTypes && !types.some((type) => otherTypes.some((other) => overlap(type, other)))) return true;
  return requiredOf(a).some((name) => {
    if (!requiredOf(b).includes(name)) return false;
    const [of, ofOther] = [propertyConstants(a, name), propertyConstants(b, name)];
    return of !== undefined && ofOther !== undefined && differ(of, ofOther);
  });
}

function overlap(a: JsonType, b: JsonType): boolean {
  const isNumber = (type: JsonType) => type === "integer" || type === "number";
  return a === b || (isNumber(a) && isNumber(b));
}

/** As JSON; undefined for a schema that lists no values. */
function constants(schema: unknown): readonly string[] | undefined {
  if (!isJsonObject(schema)) return undefined;
  if (Object.hasOwn(schema, "const")) return [JSON.stringify(schema["const"])];
  const listed = schema["enum"];
  return Array.isArray(listed) ? listed.map((value) => JSON.stringify(value)) : undefined;
}

function propertyConstants({ type, properties }: JsonObject, name: string): readonly string[] | undefined {
  if (type !== "object" || !isJsonObject(properties) || !Object.hasOwn(properties, name)) return undefined;
  return constants(properties[name]);
}

const requiredOf = ({ required }: JsonObject): readonly string[] => (Array.isArray(required) ? (required as string[]) : []);
const differ = (a: readonly string[], b: readonly string[]) => !a.some((value) => b.includes(value));
