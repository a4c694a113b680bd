/** Option values: text from the command line to a checked value, or a message that says what was expected. */
import { InvalidArgumentError } from "commander";
import { nearestName } from "../../option-keys.ts";

/** An integer in `[least, greatest]`. */
export function integer(least: number, greatest = Number.MAX_SAFE_INTEGER): (text: string) => number {
  const expected =
    greatest === Number.MAX_SAFE_INTEGER ? `an integer of at least ${least}` : `an integer from ${least} to ${greatest}`;
  return (text) => {
    const value = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= least && value <= greatest)) throw new InvalidArgumentError(`Expected ${expected}.`);
    return value;
  };
}

/** A finite number in `[least, greatest]`. */
export function number(least: number, greatest = Infinity): (text: string) => number {
  const expected = greatest === Infinity ? `a number of at least ${least}` : `a number from ${least} to ${greatest}`;
  return (text) => {
    // `Number` takes empty text for 0 and "0x10" for 16; neither is meant here.
    const value = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
    if (!(Number.isFinite(value) && value >= least && value <= greatest)) throw new InvalidArgumentError(`Expected ${expected}.`);
    return value;
  };
}

const SIZE_UNITS = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };

/** Bytes, at least one: `2147483648`, `2048M`, `1.5GiB`. */
export function byteCount(text: string): number {
  const [, count, unit = ""] = /^(\d+\.?\d*|\.\d+) ?([KMG]?)(?:i?B)?$/i.exec(text) ?? [];
  const value = count === undefined ? 0 : Math.floor(Number(count) * SIZE_UNITS[unit.toUpperCase() as keyof typeof SIZE_UNITS]);
  if (value < 1) throw new InvalidArgumentError("Expected bytes, such as 2147483648, 2048M or 2GiB (of 1024 MiB).");
  return value;
}

/** What reads an option's value, and the words that it takes, for completion. */
export type WordParser<T> = ((text: string) => T) & { readonly choices: readonly string[] };

/** One of a few words. */
export function oneOf<T extends string>(...choices: readonly T[]): WordParser<T> {
  const parse = (text: string) => {
    const value = choices.find((choice) => choice === text);
    if (value !== undefined) return value;
    const near = nearestName(text, choices);
    const hint = near === undefined ? "" : `\n(Did you mean ${near}?)`;
    throw new InvalidArgumentError(`Allowed choices are ${choices.join(", ")}.${hint}`);
  };
  return Object.assign(parse, { choices });
}

/** Several of a few words, with commas between. */
export function someOf<T extends string>(...choices: readonly T[]): WordParser<T[]> {
  const one = oneOf(...choices);
  return Object.assign((text: string) => text.split(",").map((word) => one(word)), { choices });
}

/** The same, or "none". */
export function someOrNoneOf<T extends string>(...choices: readonly T[]): WordParser<T[]> {
  const some = someOf(...choices);
  return Object.assign((text: string) => (text === "none" ? [] : some(text)), { choices: [...choices, "none"] });
}

/** Text that must not be empty, for paths and stop strings. */
export function nonEmpty(text: string): string {
  if (text === "") throw new InvalidArgumentError("It is empty.");
  return text;
}

/** A repeatable option: each use adds one value. */
export function repeatable(text: string, earlier: readonly string[] = []): string[] {
  return [...earlier, nonEmpty(text)];
}

/** Layers by number: `0,14,29`. */
export function layerList(text: string): number[] {
  return text.split(",").map((part) => {
    if (!/^\d+$/.test(part)) throw new InvalidArgumentError(`Expected layer numbers with commas between, such as 0,14,29.`);
    return Number(part);
  });
}

/**
 * Escapes of llama.cpp's prompts: `\n \r \t \' \" \\` and `\xHH`. Anything else after a backslash stays as it
 * is.
 */
export function processEscapes(text: string): string {
  const single: Record<string, string> = { n: "\n", r: "\r", t: "\t", "'": "'", '"': '"', "\\": "\\" };
  return text.replaceAll(/\\(?:x([0-9a-fA-F]{2})|([nrt'"\\]))/g, (_, hex: string | undefined, letter: string) =>
    hex === undefined ? single[letter]! : String.fromCharCode(Number.parseInt(hex, 16)),
  );
}
