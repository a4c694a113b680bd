/** What can be iterated over, and how long it is. */
import { TemplateError } from "../limits.ts";
import type { Run } from "../run.ts";
import { codePoints, lengthOf } from "./text-positions.ts";
import { Dict, Iterating, Range, sequenceOf, stringOf, typeName, Undefined, type Value, View } from "./values.ts";

/** @throws TemplateError if Python's `iter` refuses the value */
export function iterate(run: Run, value: Value): Iterator<Value> {
  return counted(run, elements(run, value));
}

/** All elements. */
export function listOf(run: Run, value: Value): Value[] {
  const items: Value[] = [];
  const iterator = iterate(run, value);
  for (let step = iterator.next(); !step.done; step = iterator.next()) items.push(step.value);
  return items;
}

/** `len(value)`; undefined if it has none. */
export function sizeOf(run: Run, value: Value): number | undefined {
  const string = stringOf(value);
  if (string !== undefined) {
    run.limits.text(string.length);
    return lengthOf(string);
  }
  if (value instanceof Dict) return value.size;
  if (value instanceof View) return value.dict.size;
  if (value instanceof Range) return value.length;
  if (value instanceof Undefined) return 0;
  return sequenceOf(value)?.length;
}

export function isIterable(value: Value): boolean {
  return (
    stringOf(value) !== undefined ||
    sequenceOf(value) !== undefined ||
    [Dict, View, Range, Undefined, Iterating].some((kind) => value instanceof kind)
  );
}

/** The same from behind; undefined if Python's `reversed` refuses it. */
export function backwards(run: Run, value: Value): Iterable<Value> | undefined {
  if (value instanceof Iterating || !isIterable(value)) return undefined;
  return listOf(run, value).toReversed();
}

function elements(run: Run, value: Value): Iterator<Value> {
  const string = stringOf(value);
  if (string !== undefined) {
    run.limits.text(string.length);
    run.limits.elements(string.length);
    return codePoints(string)[Symbol.iterator]();
  }
  const items = sequenceOf(value);
  if (items !== undefined) return items[Symbol.iterator]();
  if (value instanceof Dict) return new View(value, "keys")[Symbol.iterator]();
  if (value instanceof View) return value[Symbol.iterator]();
  if (value instanceof Iterating) return value.iterator;
  if (value instanceof Undefined) return [][Symbol.iterator]();
  if (value instanceof Range) return numbers(value);
  throw new TemplateError(`'${typeName(value)}' object is not iterable`);
}

function* numbers(range: Range): Generator<Value> {
  for (let i = 0; i < range.length; i++) yield range.at(i);
}

/** Each element counts, so that a loop over many costs something even if nothing is in it. */
function counted(run: Run, iterator: Iterator<Value>): Iterator<Value> {
  return {
    next: () => {
      run.limits.charge(3);
      return iterator.next();
    },
  };
}
