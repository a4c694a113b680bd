/** What a filter is, and how it looks into the elements it is given. */
import type { Bound } from "../values/arguments.ts";
import { getItem } from "../values/attributes.ts";
import type { Run } from "../run.ts";
import { type Named, stringOf, Undefined, type Value } from "../values/values.ts";

export type Filter =
  | { readonly parameters: readonly string[]; readonly run: (run: Run, value: Value, args: Bound) => Value }
  /** One that takes any arguments. */
  | { readonly parameters: undefined; readonly run: (run: Run, value: Value, args: readonly Value[], named: Named) => Value };

/** @param parameters their names, one that may be left out with a "?" */
export function filter(parameters: string, run: (run: Run, value: Value, args: Bound) => Value): Filter {
  return { parameters: parameters.split(" ").filter(Boolean), run };
}

/** Looks up `a.b.0` in an element; no attribute is the element itself. */
export function lookup(run: Run, attribute: Value | undefined, otherwise: Value = null): (item: Value) => Value {
  const path = stringOf(attribute);
  const whole: readonly Value[] = attribute === undefined || attribute === null ? [] : [attribute];
  const parts = path === undefined ? whole : path.split(".").map((part) => (/^\d+$/.test(part) ? BigInt(part) : part));
  return (item) => {
    let found = item;
    for (const part of parts) {
      found = getItem(run, found, part);
      if (otherwise !== null && found instanceof Undefined) found = otherwise;
    }
    return found;
  };
}

/** A string in lower case, so that sorting does not see case; anything else as it is. */
export function withoutCase(run: Run, value: Value, caseSensitive: boolean): Value {
  const string = caseSensitive ? undefined : stringOf(value);
  if (string === undefined) return value;
  run.limits.text(string.length);
  return string.toLowerCase();
}
