/**
 * Python's values. None is null, an int a bigint, a float a number, a str a string, a list an array; for the
 * others there are classes here. Nothing changes them but `Namespace`, so they may be shared.
 */
import { type Limits, TemplateError } from "../limits.ts";

export type Value = null | boolean | bigint | number | string | readonly Value[] | PythonObject;

/** Arguments by name. */
export type Named = ReadonlyMap<string, Value>;

/** A value of a class. */
export abstract class PythonObject {
  /** The name of its class, for messages. */
  abstract readonly type: string;

  /** An attribute, if there is one by this name. */
  attribute(_name: string): Value | undefined {
    return undefined;
  }

  /** What `str` and `repr` give; undefined if that is an address or a secret of Python's. */
  text(): string | undefined {
    return undefined;
  }
}

/** What a name without a value gives: printed it is nothing; anything else done with it is an error. */
export class Undefined extends PythonObject {
  readonly type = "Undefined";
  readonly reason: string;

  constructor(reason: string) {
    super();
    this.reason = reason;
  }

  fail(): never {
    throw new TemplateError(this.reason);
  }
}

/** A string marked as HTML by `safe` or `escape`: added to, it escapes the other. */
export class Markup extends PythonObject {
  readonly type = "Markup";
  readonly string: string;

  constructor(string: string) {
    super();
    this.string = string;
  }
}

export class Tuple extends PythonObject {
  readonly type: string = "tuple";
  readonly items: readonly Value[];

  constructor(items: readonly Value[]) {
    super();
    this.items = items;
  }
}

/** What `groupby` gives: a tuple with names. */
export class Group extends Tuple {
  override attribute(name: string): Value | undefined {
    return name === "grouper" ? this.items[0] : name === "list" ? this.items[1] : undefined;
  }
}

export class Range extends PythonObject {
  readonly type = "range";
  readonly start: bigint;
  readonly stop: bigint;
  readonly step: bigint;
  readonly length: number;

  constructor(start: bigint, stop: bigint, step: bigint) {
    super();
    [this.start, this.stop, this.step] = [start, stop, step];
    const length = step > 0n ? (stop - start + step - 1n) / step : (start - stop - step - 1n) / -step;
    this.length = Math.max(0, Number(length));
  }

  at(index: number): bigint {
    return this.start + BigInt(index) * this.step;
  }

  override attribute(name: string): Value | undefined {
    return name === "start" ? this.start : name === "stop" ? this.stop : name === "step" ? this.step : undefined;
  }

  override text(): string {
    return `range(${this.start}, ${this.stop}${this.step === 1n ? "" : `, ${this.step}`})`;
  }
}

/** A dictionary in the order of insertion; 1, 1.0 and True are one key, as in Python. */
export class Dict extends PythonObject {
  readonly type = "dict";
  readonly #entries = new Map<string, [Value, Value]>();

  static of(entries: Iterable<readonly [Value, Value]>): Dict {
    const dict = new Dict();
    for (const [key, value] of entries) dict.#set(key, value);
    return dict;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** @throws TemplateError if the key is not hashable */
  get(key: Value): Value | undefined {
    return this.#entries.get(hashKey(key))?.[1];
  }

  entries(): Iterable<readonly [Value, Value]> {
    return this.#entries.values();
  }

  #set(key: Value, value: Value): void {
    const hash = hashKey(key);
    this.#entries.set(hash, [this.#entries.get(hash)?.[0] ?? key, value]);
  }
}

/** `keys()`, `values()` or `items()` of a dictionary. */
export class View extends PythonObject {
  readonly type: string;
  readonly dict: Dict;
  readonly part: "keys" | "values" | "items";

  constructor(dict: Dict, part: View["part"]) {
    super();
    [this.dict, this.part, this.type] = [dict, part, `dict_${part}`];
  }

  *[Symbol.iterator](): Generator<Value> {
    for (const [key, value] of this.dict.entries())
      yield this.part === "keys" ? key : this.part === "values" ? value : new Tuple([key, value]);
  }
}

/** A generator: it can be read once, and has no length. */
export class Iterating extends PythonObject {
  readonly type = "generator";
  readonly iterator: Iterator<Value>;

  constructor(values: Iterable<Value>) {
    super();
    this.iterator = values[Symbol.iterator]();
  }
}

/** What can be called: macros, methods, the functions of the environment. */
export class Callable extends PythonObject {
  readonly type = "function";
  readonly call: (args: readonly Value[], named: Named) => Value;
  readonly #text: string | undefined;
  readonly #attributes: Readonly<Record<string, Value>>;

  constructor(call: Callable["call"], text?: string, attributes: Readonly<Record<string, Value>> = {}) {
    super();
    [this.call, this.#text, this.#attributes] = [call, text, attributes];
  }

  override attribute(name: string): Value | undefined {
    return Object.hasOwn(this.#attributes, name) ? this.#attributes[name] : undefined;
  }

  override text(): string | undefined {
    return this.#text;
  }
}

/** The one thing a template can change. */
export class Namespace extends PythonObject {
  readonly type = "TemplateNamespace";
  readonly #values = new Map<string, Value>();

  set(name: string, value: Value): void {
    if (name.startsWith("_")) throw new TemplateError(`namespace: got the name ${name}, need one without an underscore first`);
    this.#values.set(name, value);
  }

  override attribute(name: string): Value | undefined {
    return this.#values.get(name);
  }

  dict(): Dict {
    return Dict.of(this.#values);
  }
}

/**
 * A text that two values share if Python holds them for one key.
 *
 * @param room for elements of tuples, which may share their own
 */
export function hashKey(key: Value, room = { left: 1000 }): string {
  if (typeof key === "string") return `s${key}`;
  if (typeof key === "bigint" || typeof key === "boolean") return `n${BigInt(key)}`;
  if (typeof key === "number") return Number.isInteger(key) ? `n${BigInt(key)}` : `f${key}`;
  if (key === null) return "z";
  if (key instanceof Markup) return `s${key.string}`;
  if (key instanceof Undefined) return "u";
  if (key instanceof Range) return `r${key.length === 0 ? "" : key.text()}`;
  if (!(key instanceof Tuple)) return identity(key);
  room.left -= key.items.length;
  if (room.left < 0) throw new TemplateError("got a key of more than 1000 elements, need fewer");
  return `t${key.items
    .map((item) => hashKey(item, room))
    .map((hash) => `${hash.length}:${hash}`)
    .join("")}`;
}

const identities = new WeakMap<object, number>();
let identitiesGiven = 0;

/** Functions, generators and the like are keys by what they are; what is compared by content is none. */
function identity(key: readonly Value[] | PythonObject): string {
  const compared = isList(key) || key instanceof Dict || (key instanceof View && key.part !== "values");
  if (compared) throw new TemplateError(`unhashable type: '${typeName(key)}'`);
  const known = identities.get(key) ?? identitiesGiven++;
  identities.set(key, known);
  return `i${known}`;
}

export function typeName(value: Value): string {
  if (value === null) return "NoneType";
  if (Array.isArray(value)) return "list";
  if (value instanceof PythonObject) return value.type;
  const names: Readonly<Record<string, string>> = { boolean: "bool", bigint: "int", number: "float", string: "str" };
  return names[typeof value]!;
}

export function isList(value: Value | undefined): value is readonly Value[] {
  return Array.isArray(value);
}

/** The elements of a list or a tuple. */
export function sequenceOf(value: Value): readonly Value[] | undefined {
  return isList(value) ? value : value instanceof Tuple ? value.items : undefined;
}

/** The string, be it marked as HTML or not. */
export function stringOf(value: Value | undefined): string | undefined {
  return typeof value === "string" ? value : value instanceof Markup ? value.string : undefined;
}

/** An int, a bool as one. */
export function integerOf(value: Value | undefined): bigint | undefined {
  return typeof value === "bigint" ? value : typeof value === "boolean" ? BigInt(value) : undefined;
}

export function isTrue(value: Value): boolean {
  if (value === null || value instanceof Undefined) return false;
  if (value instanceof Dict || value instanceof View) return (value instanceof Dict ? value : value.dict).size > 0;
  const length = stringOf(value)?.length ?? sequenceOf(value)?.length ?? (value instanceof Range ? value.length : undefined);
  return length === undefined ? Boolean(value) : length > 0;
}

/** Values of JSON; a number is an int if its JSON has neither point nor exponent. */
export function fromJson(value: unknown, limits: Limits): Value {
  limits.allow(typeof value === "string" ? value.length : 0);
  return limits.inside(() => {
    if (value === null || value === undefined) return null;
    if (typeof value === "number") {
      const text = JSON.stringify(value);
      return /^-?\d+$/.test(text) ? BigInt(text) : value;
    }
    if (Array.isArray(value)) return value.map((item) => fromJson(item, limits));
    if (typeof value !== "object") return value as string | boolean;
    return Dict.of(Object.entries(value).map(([key, item]) => [key, fromJson(item, limits)]));
  });
}
