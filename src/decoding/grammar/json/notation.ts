/** How the values of a schema are written: as JSON, or as a model writes the arguments of a call. */
import type { Grammar } from "../grammar.ts";
import type { Regular } from "../regular/regular.ts";

export interface StringBounds {
  /** Characters. */
  readonly minLength: number;
  readonly maxLength: number;
  readonly pattern: string | undefined;
  /** A name of `FORMATS`. */
  readonly format: string | undefined;
}

export const UNBOUNDED: StringBounds = { minLength: 0, maxLength: Infinity, pattern: undefined, format: undefined };

/** What stands around values and between them. */
export interface Marks {
  readonly comma: Grammar;
  readonly colon: Grammar;
  readonly openArray: Grammar;
  readonly closeArray: Grammar;
  readonly openObject: Grammar;
  readonly closeObject: Grammar;
}

/** Its functions throw SyntaxError or RangeError for what cannot be written, or not be carried out. */
export interface Notation extends Marks {
  readonly name: string;
  /** Names of properties in the order in which they are written. */
  ordered(names: readonly string[]): readonly string[];
  key(name: string): Grammar;
  /** Names of properties within bounds, other than those that are taken. */
  otherKey(bounds: StringBounds, taken: readonly string[]): Grammar;
  string(bounds: StringBounds): Grammar;
  /** Exactly this value. */
  literal(value: unknown): Regular;
  /** Any object, and any value. */
  readonly object: Grammar;
  readonly value: Grammar;
}
