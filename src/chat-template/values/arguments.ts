/** Arguments of filters, tests, methods and functions, put to their parameters. */
import { TemplateError } from "../limits.ts";
import { integerOf, type Named, stringOf, typeName, type Value } from "./values.ts";

/** Values in the order of parameters, undefined where nothing was given. */
export type Bound = readonly (Value | undefined)[];

/**
 * @param parameters names; one that may be left out ends in "?"
 * @param keywords false if they have no names in Python
 */
export function bind(what: string, parameters: readonly string[], args: readonly Value[], named: Named, keywords = true): Bound {
  if (args.length > parameters.length)
    throw new TemplateError(`${what}: got ${args.length} arguments, need at most ${parameters.length}`);
  const bound: (Value | undefined)[] = [...args];
  const names = parameters.map((name) => name.replace("?", ""));
  for (const [name, value] of named) {
    const at = keywords ? names.indexOf(name) : -1;
    if (at < 0) throw new TemplateError(`${what}: got the argument '${name}', need ${names.join(", ") || "none"}`);
    if (bound[at] !== undefined) throw new TemplateError(`${what}: got '${name}' twice, need it once`);
    bound[at] = value;
  }
  for (const [at, name] of parameters.entries())
    if (bound[at] === undefined && !name.endsWith("?")) throw new TemplateError(`${what}: got no '${name}', need it`);
  return bound;
}

export function needText(value: Value | undefined, what: string): string {
  const string = stringOf(value);
  if (string === undefined) throw new TemplateError(`${what}: got ${typeName(value ?? null)}, need a string`);
  return string;
}

/** A whole number that fits into a float without loss. */
export function needWhole(value: Value | undefined, what: string): number {
  const integer = integerOf(value);
  if (integer === undefined) throw new TemplateError(`${what}: got ${typeName(value ?? null)}, need an integer`);
  const number = Number(integer);
  return Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, number));
}

/** The same, undefined for what is not given or None. */
export function optionalWhole(value: Value | undefined, what: string): number | undefined {
  return value === undefined || value === null ? undefined : needWhole(value, what);
}
