/**
 * `value.name` and `value[key]` as Jinja's sandbox finds them: an attribute of Python's object first for the
 * one, an item first for the other; what would change a value, and names with an underscore, are not there.
 */
import { bind, needWhole, optionalWhole } from "./arguments.ts";
import { braceFormat } from "../formats/brace-format.ts";
import { iterate } from "./iterate.ts";
import { NotCarriedOut, TemplateError } from "../limits.ts";
import { equals } from "./operators.ts";
import type { Run } from "../run.ts";
import { OTHER_STRING_METHODS, STRING_METHODS } from "./string-methods.ts";
import { sliceBounds, sliceIndices, sliceText } from "./text-positions.ts";
import { Callable, Dict, hashKey, integerOf, isList, Markup, type Named, PythonObject } from "./values.ts";
import { Range, sequenceOf, stringOf, Tuple, typeName, Undefined, type Value, View } from "./values.ts";

/** Methods the sandbox hides, since they change what they belong to. */
const CHANGING: Readonly<Record<"dict" | "list", ReadonlySet<string>>> = {
  dict: new Set(["clear", "pop", "popitem", "setdefault", "update"]),
  list: new Set(["append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"]),
};
/** Attributes of Python's objects that templates do not use, by type. */
const OTHERS: Readonly<Record<string, RegExp>> = {
  int: /^(real|imag|numerator|denominator|conjugate|bit_length|bit_count|to_bytes|from_bytes|as_integer_ratio|is_integer)$/,
  float: /^(real|imag|conjugate|hex|fromhex|as_integer_ratio|is_integer)$/,
  generator: /^(send|throw|close|gi_.*)$/,
  dict_keys: /^(mapping|isdisjoint)$/,
  dict_values: /^mapping$/,
  dict_items: /^(mapping|isdisjoint)$/,
};

export function getAttribute(run: Run, object: Value, name: string): Value {
  run.limits.charge(1);
  const attribute = attributeOf(run, object, name);
  if (attribute !== undefined) return attribute;
  const item = itemOf(run, object, name);
  return item === undefined ? missing(object, name) : item;
}

export function getItem(run: Run, object: Value, key: Value): Value {
  run.limits.charge(1);
  const item = itemOf(run, object, key);
  if (item !== undefined) return item;
  const name = stringOf(key);
  const attribute = name === undefined ? undefined : attributeOf(run, object, name);
  return attribute === undefined ? missing(object, name ?? "that") : attribute;
}

/** `value[start:stop:step]`. */
export function getSlice(run: Run, object: Value, parts: readonly (Value | undefined)[]): Value {
  if (object instanceof Undefined) object.fail();
  const bounds = parts.map((one) => optionalWhole(one, "a slice"));
  if (bounds[2] === 0) throw new TemplateError("slice step cannot be zero");
  const string = stringOf(object);
  if (string !== undefined) {
    run.limits.text(string.length);
    const whole = sliceText(string, bounds);
    return object instanceof Markup ? new Markup(whole) : whole;
  }
  if (object instanceof Range) {
    const [start, stop, step] = sliceBounds(object.length, bounds);
    return new Range(object.at(start), object.at(stop), object.step * BigInt(step));
  }
  const items = sequenceOf(object);
  if (items === undefined) throw new TemplateError(`'${typeName(object)}' object is not subscriptable by a slice`);
  const indices = sliceIndices(items.length, bounds);
  run.limits.elements(indices.length);
  const taken = indices.map((i) => items[i]!);
  return isList(object) ? taken : new Tuple(taken);
}

/** Calls what a template calls. */
export function callValue(run: Run, callee: Value, args: readonly Value[], named: Named): Value {
  run.limits.charge(10 + args.length);
  if (callee instanceof Undefined) callee.fail();
  if (!(callee instanceof Callable)) throw new TemplateError(`'${typeName(callee)}' object is not callable`);
  return callee.call(args, named);
}

export function missing(object: Value, name: string): Undefined {
  return new Undefined(`'${typeName(object)} object' has no attribute '${name}'`);
}

/** What Python's `getattr` gives; undefined if there is no such attribute. */
export function attributeOf(run: Run, object: Value, name: string): Value | undefined {
  if (object instanceof Undefined) object.fail();
  if (name.startsWith("__")) {
    if (object instanceof Dict && object.get(name) !== undefined) throw new NotCarriedOut(`the attribute ${name}`);
    return new Undefined(`access to attribute '${name}' of '${typeName(object)}' object is unsafe`);
  }
  if (typeof object === "string") return stringAttribute(run, object, name);
  if (isList(object) || object instanceof Tuple) return sequenceAttribute(run, object, name);
  if (object instanceof Dict) return dictAttribute(run, object, name);
  const ofString = STRING_METHODS.has(name) || OTHER_STRING_METHODS.has(name) || ["format", "format_map"].includes(name);
  if (object instanceof Markup && (ofString || ["unescape", "striptags", "escape"].includes(name)))
    throw new NotCarriedOut(`the method ${name} of a safe string`);
  if (object instanceof Range && (name === "count" || name === "index")) throw new NotCarriedOut(`the method ${name} of a range`);
  if (OTHERS[typeName(object) === "bool" ? "int" : typeName(object)]?.test(name) === true)
    throw new NotCarriedOut(`the attribute ${name} of a ${typeName(object)}`);
  return object instanceof PythonObject ? object.attribute(name) : undefined;
}

function stringAttribute(run: Run, object: string, name: string): Value | undefined {
  const found = STRING_METHODS.get(name);
  if (found !== undefined) {
    return new Callable((args, named) => {
      run.limits.text(object.length);
      if (found.slow) run.limits.charge(object.length / 2);
      const result = found.run(object, bind(name, found.parameters, args, named, found.keywords), run);
      if (typeof result === "string") run.limits.text(result.length);
      return result;
    });
  }
  const reach = { attribute: getAttribute, item: getItem };
  if (name === "format") return new Callable((args, named) => braceFormat(run, object, { args, named, ...reach }));
  if (name === "format_map")
    return new Callable((args, named) => {
      const fields = mapping(bind(name, ["mapping"], args, named)[0]!);
      return braceFormat(run, object, { args: [], named: fields, ...reach });
    });
  if (OTHER_STRING_METHODS.has(name)) throw new NotCarriedOut(`the method ${name} of a string`);
  return undefined;
}

function mapping(value: Value): Named {
  if (!(value instanceof Dict)) throw new TemplateError(`format_map: got ${typeName(value)}, need a dict`);
  return new Map([...value.entries()].map(([key, item]) => [stringOf(key) ?? "", item]));
}

function sequenceAttribute(run: Run, object: Value, name: string): Value | undefined {
  const items = sequenceOf(object)!;
  if (isList(object) && CHANGING.list.has(name)) return unsafe(object, name);
  if (name === "copy" && isList(object)) return method(name, [], () => object);
  if (name === "count")
    return method(name, ["value"], ([value]) => BigInt(items.filter((item) => equals(run, item, value!)).length));
  if (name === "index") {
    return method(name, ["value", "start?", "stop?"], ([value, start, stop]) => {
      const [from, to] = [start, stop].map((at) => (at === undefined ? undefined : needWhole(at, name)));
      const indices = sliceIndices(items.length, [from, to]);
      const at = indices.find((i) => equals(run, items[i]!, value!));
      if (at === undefined) throw new TemplateError("got a value that is not in the list, need one that is");
      return BigInt(at);
    });
  }
  return object instanceof Tuple ? object.attribute(name) : undefined;
}

function dictAttribute(run: Run, object: Dict, name: string): Value | undefined {
  if (CHANGING.dict.has(name)) return unsafe(object, name);
  if (name === "keys" || name === "values" || name === "items") return method(name, [], () => new View(object, name));
  if (name === "get")
    return method(name, ["key", "default?"], ([key, otherwise = null]) => {
      const value = object.get(key!);
      return value === undefined ? otherwise : value;
    });
  if (name === "copy") return method(name, [], () => object);
  return name === "fromkeys" ? dictFromKeys(run) : undefined;
}

export function dictFromKeys(run: Run): Callable {
  return method("fromkeys", ["iterable", "value?"], ([keys, value = null]) => {
    const entries: [Value, Value][] = [];
    const iterator = iterate(run, keys!);
    for (let step = iterator.next(); !step.done; step = iterator.next()) entries.push([step.value, value]);
    return Dict.of(entries);
  });
}

/** A function of which the parameters have no names in Python. */
export function method(
  name: string,
  parameters: readonly string[],
  body: (args: readonly (Value | undefined)[]) => Value,
): Callable {
  return new Callable((args, named) => body(bind(name, parameters, args, named, false)));
}

function unsafe(object: Value, name: string): Undefined {
  return new Undefined(`access to attribute '${name}' of '${typeName(object)}' object is unsafe`);
}

/** What `object[key]` gives; undefined where Python raises `TypeError` or `LookupError`. */
function itemOf(run: Run, object: Value, key: Value): Value | undefined {
  if (object instanceof Undefined) object.fail();
  if (object instanceof Dict) return isHashable(key) ? object.get(key) : undefined;
  const integer = integerOf(key);
  if (integer === undefined) return undefined;
  const string = stringOf(object);
  const items = sequenceOf(object);
  const length = string !== undefined ? undefined : (items?.length ?? (object instanceof Range ? object.length : 0));
  if (string !== undefined) {
    run.limits.text(string.length);
    const at = Number(integer);
    const char = sliceText(string, at === -1 ? [-1] : [at, at + 1]) || undefined;
    return char !== undefined && object instanceof Markup ? new Markup(char) : char;
  }
  const at = place(integer, length!);
  if (items !== undefined) return items[at];
  return object instanceof Range && at >= 0 && at < object.length ? object.at(at) : undefined;
}

function place(index: bigint, length: number): number {
  return Number(index < 0n ? index + BigInt(length) : index);
}

function isHashable(key: Value): boolean {
  if (isList(key) || key instanceof Dict) return false;
  try {
    hashKey(key);
    return true;
  } catch {
    return !(key instanceof Tuple);
  }
}
