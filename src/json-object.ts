/**
 * Untrusted JSON: an object read strictly, and typed fields taken from it with errors that name the file and
 * the key.
 */
import { CheckpointError } from "./errors.ts";
import { type JsonTable, type JsonTexts, type Read, readTable, readTexts, skipSpace } from "./json-tables.ts";
import { isWhole } from "./need.ts";

export type JsonObject = Record<string, unknown>;

/**
 * The deepest nesting read, deeper than any model file's; keeps engines whose `JSON.parse` recurses from
 * running out of stack.
 */
const MAX_DEPTH = 64;

/** Where the large parts of a file are: keys of an object that is the value of `of`. */
export interface LargeParts {
  readonly of: string;
  readonly table: string;
  readonly texts: string;
}

/** Tables by the object that has them. */
const tables = new WeakMap<JsonObject, { readonly key: string; readonly table: JsonTable }>();

/**
 * A JSON object without repeated keys. `JSON.parse` alone keeps the last of two equal keys, so two readers of
 * one file could see different tensors.
 *
 * @param fileName for messages
 * @param large what is read in another way, and sooner (`json-tables.ts`); of a table see `entriesOf`
 * @throws CheckpointError if the text is no JSON object, repeats a key or is nested too deeply
 */
export function parseJsonObject(text: string, fileName: string, large?: LargeParts): JsonObject {
  const parts = checkStructure(text, fileName, large);
  // To the engine's parser they are empty arrays, which nothing before them can become a part of.
  let [rest, at] = ["", 0];
  for (const { begin, end } of parts) {
    rest += `${text.slice(at, begin)}[]`;
    at = end;
  }
  const value = parseJson(at === 0 ? text : rest + text.slice(at), fileName);
  if (!isJsonObject(value)) throw new CheckpointError(`${fileName}: got ${describe(value)}, need a JSON object`);
  for (const part of parts) putPart(value[large!.of] as JsonObject, part);
  return value;
}

function putPart(holder: JsonObject, { key, value }: LargePart): void {
  if (!(value instanceof Map)) {
    holder[key] = value;
    return;
  }
  const table = value as JsonTable;
  tables.set(holder, { key, table });
  // Whoever does not know of tables sees an object as any other.
  Object.defineProperty(holder, key, { get: () => Object.fromEntries(table), enumerable: true, configurable: true });
}

/** Names and values of an object that is `json[key]`; undefined if that is no object. */
export function entriesOf(json: JsonObject, key: string): ReadonlyMap<string, unknown> | undefined {
  const known = tables.get(json);
  if (known?.key === key) return known.table;
  const value = json[key];
  return isJsonObject(value) ? new Map(Object.entries(value)) : undefined;
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parseJson(text: string, fileName: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new CheckpointError(
      `${fileName}: got text that is not JSON, need JSON: ${cause instanceof Error ? cause.message : String(cause)}`,
      {
        cause,
      },
    );
  }
}

interface LargePart extends Read<JsonTable | JsonTexts> {
  readonly key: string;
  readonly begin: number;
}

/**
 * One pass over the text that only looks at strings and brackets: bounds the depth and finds repeated keys.
 * It accepts some texts that are no JSON; `JSON.parse` refuses those afterwards.
 *
 * @returns the large parts that it read, which are JSON
 */
function checkStructure(text: string, fileName: string, large?: LargeParts): readonly LargePart[] {
  // One entry per open bracket: the keys of an object, or undefined for an array.
  const open: (Set<string> | undefined)[] = [];
  const parts: LargePart[] = [];
  // The keys of the outermost two objects that were read last.
  const path = ["", ""];
  const repeated = (key: string): never => {
    throw new CheckpointError(`${fileName}: key ${JSON.stringify(key)}: got it twice in one object, need it once`);
  };
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (char === OPEN_BRACE || char === OPEN_BRACKET) {
      if (large && open.length === 2 && open[0] && open[1] && path[0] === large.of) {
        const key = path[1]!;
        const isTable = char === OPEN_BRACE && key === large.table;
        const isTexts = char === OPEN_BRACKET && key === large.texts;
        const read = isTable ? readTable(text, i, repeated) : isTexts ? readTexts(text, i) : undefined;
        if (read) {
          parts.push({ ...read, key, begin: i });
          i = read.end - 1;
          continue;
        }
      }
      open.push(char === OPEN_BRACE ? new Set() : undefined);
      if (open.length > MAX_DEPTH)
        throw new CheckpointError(`${fileName}: got JSON nested more than ${MAX_DEPTH} deep, need at most that`);
    } else if (char === CLOSE_BRACE || char === CLOSE_BRACKET) {
      open.pop();
    } else if (char === QUOTE) {
      const begin = i++;
      while (i < text.length && text.charCodeAt(i) !== QUOTE) i += text.charCodeAt(i) === BACKSLASH ? 2 : 1;
      const keys = open.at(-1);
      if (keys === undefined || !colonFollows(text, i + 1)) continue;
      const literal = text.slice(begin, i + 1);
      // Escapes let one key be written in several ways, so compare what it means.
      const key = literal.includes("\\") ? String(parseJson(literal, fileName)) : literal.slice(1, -1);
      if (keys.has(key)) repeated(key);
      keys.add(key);
      if (open.length <= 2) path[open.length - 1] = key;
    }
  }
  return parts;
}

const [OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET, QUOTE, BACKSLASH] = [0x7b, 0x7d, 0x5b, 0x5d, 0x22, 0x5c];

/**
 * Tells whether the next character that is not white space is a colon, which makes the string before it a
 * key.
 */
function colonFollows(text: string, from: number): boolean {
  return text[skipSpace(text, from)] === ":";
}

/** Tells whether a value switches off what its key is for: null, false, an empty text, array or object. */
export function isOff(value: unknown): boolean {
  if (typeof value === "object" && value !== null) return Object.keys(value).length === 0;
  return value === null || value === undefined || value === false || value === "";
}

/** A value for an error message: its kind and, if short, itself. */
export function describe(value: unknown): string {
  if (value === undefined) return "nothing";
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= 60 ? text : `${Array.isArray(value) ? "an array" : typeof value} (${text.slice(0, 50)}...)`;
}

/**
 * Typed fields of one object. Every getter takes a default for keys that may be missing; null counts as
 * missing. What was asked for is remembered (`unread`).
 */
export class JsonFields {
  readonly #json: JsonObject;
  readonly #where: string;
  readonly #read = new Set<string>();
  readonly #objects = new Map<string, JsonFields>();

  /** @param where for messages: the file, and the path inside it */
  constructor(json: JsonObject, where: string) {
    this.#json = json;
    this.#where = where;
  }

  get where(): string {
    return this.#where;
  }

  raw(key: string): unknown {
    this.#read.add(key);
    return Object.hasOwn(this.#json, key) ? (this.#json[key] ?? undefined) : undefined;
  }

  /** Tells whether the key is there, be its value null. */
  has(key: string): boolean {
    this.#read.add(key);
    return Object.hasOwn(this.#json, key);
  }

  /** An integer in 1..max. */
  positiveInteger(key: string, max: number, fallback?: number): number {
    const value = this.raw(key) ?? fallback;
    if (isWhole(value, 1, max)) return value;
    throw this.#wrong(key, value, `an integer from 1 to ${max}`);
  }

  /** A safe integer of at least 0. */
  nonNegativeInteger(key: string, fallback?: number): number {
    const value = this.raw(key) ?? fallback;
    if (isWhole(value, 0)) return value;
    throw this.#wrong(key, value, "an integer of at least 0");
  }

  /** A finite number above 0. */
  positiveNumber(key: string, fallback?: number): number {
    const value = this.raw(key) ?? fallback;
    if (typeof value === "number" && value > 0 && value < Infinity) return value;
    throw this.#wrong(key, value, "a finite number above 0");
  }

  /** A finite number of at least 0. */
  nonNegativeNumber(key: string, fallback?: number): number {
    const value = this.raw(key) ?? fallback;
    if (typeof value === "number" && value >= 0 && value < Infinity) return value;
    throw this.#wrong(key, value, "a finite number of at least 0");
  }

  boolean(key: string, fallback?: boolean): boolean {
    const value = this.raw(key) ?? fallback;
    if (typeof value === "boolean") return value;
    throw this.#wrong(key, value, "true or false");
  }

  string(key: string, fallback?: string): string {
    const value = this.raw(key) ?? fallback;
    if (typeof value === "string") return value;
    throw this.#wrong(key, value, "a string");
  }

  strings(key: string, fallback?: readonly string[]): readonly string[] {
    const value = this.raw(key) ?? fallback;
    if (Array.isArray(value) && value.every((item) => typeof item === "string")) return value;
    throw this.#wrong(key, value, "an array of strings");
  }

  /** Finite numbers, `length` of them. */
  numbers(key: string, length: number): readonly number[] {
    const value = this.raw(key);
    if (Array.isArray(value) && value.length === length && value.every((item) => Number.isFinite(item))) return value as number[];
    throw this.#wrong(key, value, `an array of ${length} finite numbers`);
  }

  object(key: string): JsonFields | undefined {
    const value = this.raw(key);
    if (value === undefined) return undefined;
    if (!isJsonObject(value)) throw this.#wrong(key, value, "an object");
    const opened = this.#objects.get(key) ?? new JsonFields(value, `${this.#where}: ${key}`);
    this.#objects.set(key, opened);
    return opened;
  }

  /** Tells whether a key has been asked for as an object, and is one. */
  isOpened(key: string): boolean {
    return this.#objects.has(key);
  }

  keys(): string[] {
    return Object.keys(this.#json);
  }

  /** The keys nobody has asked for yet. */
  unread(): string[] {
    return this.keys().filter((key) => !this.#read.has(key));
  }

  #wrong(key: string, value: unknown, need: string): CheckpointError {
    return new CheckpointError(`${this.#where}: ${key}: got ${describe(value)}, need ${need}`);
  }
}
