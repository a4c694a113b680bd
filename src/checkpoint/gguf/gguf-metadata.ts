/**
 * Metadata values of a GGUF (ggml `docs/gguf.md`, `gguf_metadata_value_type`): reading them, and asking for
 * one of a known kind.
 */
import { CheckpointError } from "../../errors.ts";
import { isWhole } from "../../need.ts";
import type { GgufCursor } from "./gguf-cursor.ts";

/**
 * Arrays of numbers are typed arrays, whatever their width; 64-bit integers are bigint only where a number
 * would lose them, and then their array is a plain one.
 */
export type GgufValue = number | bigint | boolean | string | GgufNumbers | readonly GgufValue[];
export type GgufNumbers = Int32Array | Uint32Array | Float32Array | Float64Array;

const UINT8 = 0, INT8 = 1, UINT16 = 2, INT16 = 3, UINT32 = 4, INT32 = 5, FLOAT32 = 6, BOOL = 7, STRING = 8, ARRAY = 9, UINT64 = 10, INT64 = 11, FLOAT64 = 12; // prettier-ignore

interface NumberFormat {
  readonly bytes: number;
  readonly read: (view: DataView, offset: number) => number;
  readonly allocate: (length: number) => GgufNumbers;
}

const NUMBERS: ReadonlyMap<number, NumberFormat> = new Map([
  [UINT8, { bytes: 1, read: (view, at) => view.getUint8(at), allocate: (n) => new Int32Array(n) }],
  [INT8, { bytes: 1, read: (view, at) => view.getInt8(at), allocate: (n) => new Int32Array(n) }],
  [UINT16, { bytes: 2, read: (view, at) => view.getUint16(at, true), allocate: (n) => new Int32Array(n) }],
  [INT16, { bytes: 2, read: (view, at) => view.getInt16(at, true), allocate: (n) => new Int32Array(n) }],
  [UINT32, { bytes: 4, read: (view, at) => view.getUint32(at, true), allocate: (n) => new Uint32Array(n) }],
  [INT32, { bytes: 4, read: (view, at) => view.getInt32(at, true), allocate: (n) => new Int32Array(n) }],
  [FLOAT32, { bytes: 4, read: (view, at) => view.getFloat32(at, true), allocate: (n) => new Float32Array(n) }],
  [FLOAT64, { bytes: 8, read: (view, at) => view.getFloat64(at, true), allocate: (n) => new Float64Array(n) }],
] as [number, NumberFormat][]);

/**
 * An array of arrays has no use in the format; this is what keeps a hostile one from exhausting the stack.
 */
const MOST_NESTED_ARRAYS = 4;

/**
 * @param what for messages: what the string is
 * @throws CheckpointError if it is empty where `mostBytes` is given, longer than that or than the file, or
 *   not UTF-8
 */
export async function readGgufString(cursor: GgufCursor, what: string, file: string, mostBytes?: number): Promise<string> {
  if (cursor.available < 8) await cursor.fetch(8, what);
  const length = cursor.u64();
  const most = Math.min(cursor.remaining, mostBytes ?? Infinity);
  if (length > BigInt(most) || (length === 0n && mostBytes !== undefined)) {
    throw new CheckpointError(
      `${file}: ${what}: got ${length} bytes at offset ${cursor.offset}, need ${mostBytes === undefined ? 0 : 1} to ${most}`,
    );
  }
  if (cursor.available < Number(length)) await cursor.fetch(Number(length), what);
  return cursor.utf8(Number(length), what);
}

/**
 * @throws CheckpointError if the value is truncated, of an unknown type, or a bool that is neither 0 nor 1
 */
export async function readGgufValue(cursor: GgufCursor, type: number, what: string, file: string, depth = 0): Promise<GgufValue> {
  const numbers = NUMBERS.get(type);
  if (numbers !== undefined) {
    await cursor.fetch(numbers.bytes, what);
    return numbers.read(cursor.take(numbers.bytes), 0);
  }
  switch (type) {
    case BOOL: {
      await cursor.fetch(1, what);
      const byte = cursor.u8();
      if (byte > 1) throw new CheckpointError(`${file}: ${what}: got a bool of value ${byte}, need 0 or 1`);
      return byte === 1;
    }
    case UINT64:
    case INT64: {
      await cursor.fetch(8, what);
      const value = type === UINT64 ? cursor.u64() : BigInt.asIntN(64, cursor.u64());
      return Number.isSafeInteger(Number(value)) ? Number(value) : value;
    }
    case STRING:
      return readGgufString(cursor, what, file);
    case ARRAY:
      return readArray(cursor, what, file, depth);
    default:
      throw new CheckpointError(`${file}: ${what}: got value type ${type}, need 0 to 12`);
  }
}

async function readArray(cursor: GgufCursor, what: string, file: string, depth: number): Promise<GgufValue> {
  if (depth >= MOST_NESTED_ARRAYS)
    throw new CheckpointError(`${file}: ${what}: got arrays nested more than ${MOST_NESTED_ARRAYS} deep, need at most that`);
  await cursor.fetch(12, what);
  const type = cursor.u32();
  const declared = cursor.u64();
  const numbers = NUMBERS.get(type);
  const leastBytesEach = numbers?.bytes ?? { [BOOL]: 1, [STRING]: 8, [ARRAY]: 12, [UINT64]: 8, [INT64]: 8 }[type];
  if (leastBytesEach === undefined) throw new CheckpointError(`${file}: ${what}: got elements of type ${type}, need 0 to 12`);
  const most = Math.floor(cursor.remaining / leastBytesEach);
  if (declared > BigInt(most)) {
    throw new CheckpointError(`${file}: ${what}: got ${declared} elements, need at most ${most}, for which the file has room`);
  }
  const length = Number(declared);

  if (numbers !== undefined) {
    await cursor.fetch(length * numbers.bytes, what);
    const view = cursor.take(length * numbers.bytes);
    const values = numbers.allocate(length);
    for (let i = 0; i < length; i++) values[i] = numbers.read(view, i * numbers.bytes);
    return values;
  }
  const values: GgufValue[] = [];
  if (type === STRING) {
    for (let i = 0; i < length; i++) values.push(await readGgufString(cursor, what, file));
  } else {
    for (let i = 0; i < length; i++) values.push(await readGgufValue(cursor, type, what, file, depth + 1));
  }
  const is64Bit = type === UINT64 || type === INT64;
  return is64Bit && values.every((value) => typeof value === "number") ? Float64Array.from(values) : values;
}

/**
 * Metadata asked for by key and kind; each answer is checked, so that a wrong type is an error with the key's
 * name.
 */
export class GgufMetadata {
  readonly #notes = new Set<string>();
  readonly #read = new Set<string>();
  readonly #values: ReadonlyMap<string, GgufValue>;
  readonly #file: string;

  constructor(values: ReadonlyMap<string, GgufValue>, file: string) {
    this.#values = values;
    this.#file = file;
  }

  /** What was found and not used as it stands (`Checkpoint.notes`). */
  get notes(): readonly string[] {
    return [...this.#notes];
  }

  note(text: string): void {
    this.#notes.add(`${this.#file}: ${text}`);
  }

  /** The keys nobody has asked for yet. */
  unread(): readonly string[] {
    return [...this.#values.keys()].filter((key) => !this.#read.has(key));
  }

  has(key: string): boolean {
    return this.#get(key) !== undefined;
  }

  isArray(key: string): boolean {
    return typeof this.#get(key) === "object";
  }

  string(key: string): string | undefined {
    const value = this.#get(key);
    return value === undefined || typeof value === "string" ? value : this.#wrong(key, "a string");
  }

  /** A bool, or 0 or 1 of any width. */
  boolean(key: string): boolean | undefined {
    const value = this.#get(key);
    if (value === 0 || value === 1) return value === 1;
    return value === undefined || typeof value === "boolean" ? value : this.#wrong(key, "a bool");
  }

  /** A finite number. */
  number(key: string): number | undefined {
    const value = this.#get(key);
    return value === undefined || (typeof value === "number" && Number.isFinite(value))
      ? value
      : this.#wrong(key, "a finite number");
  }

  /** An integer of at least 0. */
  integer(key: string): number | undefined {
    const value = this.#get(key);
    return value === undefined || isWhole(value, 0) ? value : this.#wrong(key, "an integer of at least 0");
  }

  /**
   * The id of a token with a role. One that is no token's, be it -1 or 2^32 - 1 for "none" or too large for
   * the vocabulary, counts as not given, with a note: as llama.cpp has it, with a warning.
   */
  tokenId(key: string, vocabSize: number): number | undefined {
    const value = this.#get(key);
    if (value === undefined || isWhole(value, 0, vocabSize - 1)) return value;
    if (typeof value !== "bigint" && !Number.isInteger(value)) return this.#wrong(key, "a token id");
    this.note(`${key}: got ${String(value)}, which is none of the ${vocabSize} tokens, and is not used`);
    return undefined;
  }

  strings(key: string): readonly string[] | undefined {
    const value = this.#get(key);
    const isStrings = Array.isArray(value) && value.every((element) => typeof element === "string");
    return value === undefined || isStrings ? (value as readonly string[] | undefined) : this.#wrong(key, "an array of strings");
  }

  numbers(key: string): GgufNumbers | undefined {
    const value = this.#get(key);
    return value === undefined || ArrayBuffer.isView(value) ? value : this.#wrong(key, "an array of numbers");
  }

  /** @throws CheckpointError if the key is absent */
  required<T>(key: string, value: T | undefined): T {
    if (value === undefined) throw new CheckpointError(`${this.#file}: metadata key "${key}" is missing`);
    return value;
  }

  #get(key: string): GgufValue | undefined {
    this.#read.add(key);
    return this.#values.get(key);
  }

  #wrong(key: string, needed: string): never {
    const value = this.#get(key);
    const found = typeof value === "object" ? `an array of ${value.length}` : `${typeof value} ${String(value).slice(0, 40)}`;
    throw new CheckpointError(`${this.#file}: metadata key "${key}": got ${found}, need ${needed}`);
  }
}

/** The shortest decimal that is the same float32: a GGUF stores 1e-5 as 9.999999747378752e-06. */
export function shortestDecimal(value: number): number {
  for (let digits = 1; digits <= 9; digits++) {
    const shorter = Number(value.toPrecision(digits));
    if (Math.fround(shorter) === Math.fround(value)) return shorter;
  }
  return value;
}
