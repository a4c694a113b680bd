/** Checks of option values at the border: the error names the option, what was got and what was needed. */
import { OptionError } from "../errors.ts";

/** @throws OptionError unless `value` is a whole number from `min` to `max` */
export function wholeNumber(name: string, value: number, min: number, max: number = Number.MAX_SAFE_INTEGER): number {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
  const domain = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
  throw new OptionError(`${name}: got ${shown(value)}, need a whole number ${domain}`);
}

/** @throws OptionError unless `value` is a number from `min` to `max` */
export function realNumber(name: string, value: number, min: number, max: number): number {
  if (typeof value === "number" && value >= min && value <= max) return value;
  throw new OptionError(`${name}: got ${shown(value)}, need a number from ${min} to ${max}`);
}

/** @throws OptionError if `options` has a key that is not in `known`, most often a slip of the pen */
export function onlyKnownOptions(options: object, known: ReadonlySet<string>): void {
  for (const key of Object.keys(options)) {
    if (!known.has(key)) throw new OptionError(`${key}: unknown option; known are ${[...known].join(", ")}`);
  }
}

function shown(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}
