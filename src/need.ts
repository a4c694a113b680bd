/**
 * Checks of values at the border. Each gives the value back or refuses it in the one sentence of this
 * package's errors: `WHAT: got X, need Y`.
 *
 * An option stands in a message by its name in the library, at the start (`topK: got ...`) or behind the word
 * "option"; the command line puts its own flags there (`src/cli/exit.ts`).
 */
import { OptionError } from "./errors.ts";

/** Class of the errors a set of checks throws. */
export type RefusalClass = new (message: string) => Error;

export interface Needs {
  /** @throws unless `value` is a whole number from `min` to `max` */
  whole(what: string, value: unknown, min: number, max?: number): number;
  /** @throws unless `value` is a number from `min` to `max` */
  real(what: string, value: unknown, min: number, max: number): number;
  /** @throws unless `value` is one of `choices` */
  oneOf<T>(what: string, value: unknown, choices: readonly T[]): T;
}

/** The checks, refusing with errors of one class. */
export function needing(Refusal: RefusalClass): Needs {
  const refuse = (what: string, value: unknown, domain: string) => new Refusal(`${what}: got ${shown(value)}, need ${domain}`);
  return {
    whole(what, value, min, max = Number.MAX_SAFE_INTEGER) {
      if (isWhole(value, min, max)) return value;
      const domain = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
      throw refuse(what, value, `a whole number ${domain}`);
    },
    real(what, value, min, max) {
      if (typeof value === "number" && value >= min && value <= max) return value;
      throw refuse(what, value, `a number from ${min} to ${max}`);
    },
    oneOf(what, value, choices) {
      const found = choices.find((choice) => choice === value);
      if (found !== undefined) return found;
      throw refuse(what, value, `one of ${choices.map(shown).join(", ")}`);
    },
  };
}

/** The checks of options. */
export const need: Needs = needing(OptionError);

/** Tells whether a value is a number without a fraction, exact in a double, from `min` to `max`. */
export function isWhole(value: unknown, min: number, max: number = Number.MAX_SAFE_INTEGER): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= min && value <= max;
}

/** A value in a message: texts in quotes, everything else as it prints. */
export function shown(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}
