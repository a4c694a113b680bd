/**
 * The two parts of a file of JSON that may be megabytes, read here and not by the engine: an object of names
 * and numbers, and an array of texts or of pairs of texts (the vocabulary and merges of a tokenizer).
 *
 * An engine makes an object of 50,000 keys in twice the time in which this reads them into a `Map`. Texts of
 * both parts are cut out of the same text: V8 compares those at once, and those made by its own parser not.
 */

/** Longer cuts are views of the whole text, in V8, and would keep all of it in memory. */
const LONGEST_CUT = 12;
/** Digits of a number read here; larger ones are the engine's matter. */
const MOST_DIGITS = 9;

const [QUOTE, BACKSLASH, SPACE, COLON, COMMA, ZERO] = [0x22, 0x5c, 0x20, 0x3a, 0x2c, 0x30];
const [OPEN_BRACKET, CLOSE_BRACKET, CLOSE_BRACE] = [0x5b, 0x5d, 0x7d];

export type JsonTable = ReadonlyMap<string, number>;
export type JsonTexts = readonly (string | readonly [string, string])[];

/** What was read, and the place behind its last character. */
export interface Read<T> {
  readonly value: T;
  readonly end: number;
}

/**
 * Reads `{"name": 12, ...}`: strict JSON of at least one name, whole numbers only.
 *
 * @param at the opening brace
 * @param onRepeated throws for a name that is there twice
 * @returns undefined for anything else, which may be JSON
 */
export function readTable(text: string, at: number, onRepeated: (name: string) => never): Read<JsonTable> | undefined {
  const table = new Map<string, number>();
  const reader = new Reader(text, at);
  do {
    reader.at++;
    const name = reader.string();
    if (name === undefined || reader.next() !== COLON) return undefined;
    reader.at++;
    const value = reader.number();
    if (value === undefined) return undefined;
    if (table.has(name)) onRepeated(name);
    table.set(name, value);
  } while (reader.next() === COMMA);
  return reader.next() === CLOSE_BRACE ? { value: table, end: reader.at + 1 } : undefined;
}

/**
 * Reads `["a b", ...]` or `[["a", "b"], ...]`: strict JSON of at least one text.
 *
 * @param at the opening bracket
 * @returns undefined for anything else, which may be JSON
 */
export function readTexts(text: string, at: number): Read<JsonTexts> | undefined {
  const texts: (string | readonly [string, string])[] = [];
  const reader = new Reader(text, at);
  do {
    reader.at++;
    const item = reader.next() === OPEN_BRACKET ? reader.pair() : reader.string();
    if (item === undefined) return undefined;
    texts.push(item);
  } while (reader.next() === COMMA);
  return reader.next() === CLOSE_BRACKET ? { value: texts, end: reader.at + 1 } : undefined;
}

/** The place of the next character that is not white space of JSON. */
export function skipSpace(text: string, at: number): number {
  for (;;) {
    const char = text.charCodeAt(at);
    if (char !== SPACE && char !== 0x0a && char !== 0x0d && char !== 0x09) return at;
    at++;
  }
}

class Reader {
  at: number;
  readonly #text: string;

  constructor(text: string, at: number) {
    this.#text = text;
    this.at = at;
  }

  /** The next character that is not white space; NaN at the end. */
  next(): number {
    this.at = skipSpace(this.#text, this.at);
    return this.#text.charCodeAt(this.at);
  }

  string(): string | undefined {
    if (this.next() !== QUOTE) return undefined;
    const text = this.#text;
    const begin = this.at;
    let at = begin + 1;
    let isPlain = true;
    for (;;) {
      const char = text.charCodeAt(at);
      if (char === QUOTE) break;
      if (!(char >= SPACE)) return undefined; // a control character, or the end
      if (char === BACKSLASH) isPlain = false;
      at += char === BACKSLASH ? 2 : 1;
    }
    this.at = at + 1;
    if (isPlain && at - begin <= LONGEST_CUT) return text.slice(begin + 1, at);
    try {
      return JSON.parse(text.slice(begin, at + 1)) as string;
    } catch {
      return undefined;
    }
  }

  pair(): readonly [string, string] | undefined {
    this.at++;
    const left = this.string();
    if (left === undefined || this.next() !== COMMA) return undefined;
    this.at++;
    const right = this.string();
    if (right === undefined || this.next() !== CLOSE_BRACKET) return undefined;
    this.at++;
    return [left, right];
  }

  /** A whole number without a sign. */
  number(): number | undefined {
    this.next();
    const text = this.#text;
    const begin = this.at;
    let [at, value] = [begin, 0];
    for (;;) {
      const digit = text.charCodeAt(at) - ZERO;
      if (!(digit >= 0 && digit <= 9)) break;
      value = 10 * value + digit;
      at++;
    }
    this.at = at;
    const digits = at - begin;
    return digits === 0 || digits > MOST_DIGITS || (digits > 1 && text.charCodeAt(begin) === ZERO) ? undefined : value;
  }
}
