/** Operators of expressions, with the types and errors of Python's. */
import { TemplateError } from "../limits.ts";
import { repeat } from "./text-positions.ts";
import { iterate } from "./iterate.ts";
import type { BinaryOperator, Comparison } from "../syntax/nodes.ts";
import { divide, floorDivision, modulo, type Num, power, toFloat } from "./numbers.ts";
import { percentFormat } from "../formats/percent-format.ts";
import type { Run } from "../run.ts";
import { Dict, hashKey, integerOf, isList, Iterating, Markup, Range, sequenceOf, stringOf } from "./values.ts";
import { Tuple, typeName, Undefined, type Value, View } from "./values.ts";

/** An int or a float, a bool as an int. */
export function numberOf(value: Value): Num | undefined {
  return typeof value === "number" ? value : integerOf(value);
}

export function binary(run: Run, operator: BinaryOperator, left: Value, right: Value): Value {
  run.limits.charge(1);
  if (left instanceof Undefined) left.fail();
  if (operator === "%" && stringOf(left) !== undefined) return percentFormat(run, left, right);
  if (right instanceof Undefined) right.fail();
  const [a, b] = [numberOf(left), numberOf(right)];
  const result = a !== undefined && b !== undefined ? arithmetic(run, operator, a, b) : sequences(run, operator, left, right);
  if (result === undefined)
    throw new TemplateError(`unsupported operand type(s) for ${operator}: '${typeName(left)}' and '${typeName(right)}'`);
  return result;
}

function arithmetic(run: Run, operator: BinaryOperator, a: Num, b: Num): Num {
  const ints = typeof a === "bigint" && typeof b === "bigint";
  switch (operator) {
    case "+":
      return ints ? run.limits.integer(a + b) : toFloat(a) + toFloat(b);
    case "-":
      return ints ? run.limits.integer(a - b) : toFloat(a) - toFloat(b);
    case "*":
      return ints ? run.limits.integer(a * b) : toFloat(a) * toFloat(b);
    case "/":
      return divide(a, b);
    case "//":
      return floorDivision(a, b);
    case "%":
      return modulo(a, b);
    case "**":
      return power(run.limits, a, b);
  }
}

function sequences(run: Run, operator: BinaryOperator, left: Value, right: Value): Value | undefined {
  if (operator === "*") return repeated(run, left, right) ?? repeated(run, right, left);
  if (operator !== "+") return undefined;
  if (typeof left === "string" && typeof right === "string") {
    run.limits.joined(left.length + right.length);
    return left + right;
  }
  if (left instanceof Markup || right instanceof Markup) return addMarkup(run, left, right);
  const [a, b] = [sequenceOf(left), sequenceOf(right)];
  if (a === undefined || b === undefined || isList(left) !== isList(right)) return undefined;
  run.limits.elements(a.length + b.length);
  return isList(left) ? [...a, ...b] : new Tuple([...a, ...b]);
}

function repeated(run: Run, sequence: Value, count: Value): Value | undefined {
  const times = integerOf(count);
  if (times === undefined) return undefined;
  const number = Math.max(0, Number(times));
  const string = stringOf(sequence);
  if (string !== undefined) {
    const whole = repeat(run, string, number);
    return sequence instanceof Markup ? new Markup(whole) : whole;
  }
  const items = sequenceOf(sequence);
  if (items === undefined) return undefined;
  run.limits.elements(items.length * number);
  const all = items.length === 0 ? [] : Array.from({ length: items.length * number }, (_, i) => items[i % items.length]!);
  return isList(sequence) ? all : new Tuple(all);
}

function addMarkup(run: Run, left: Value, right: Value): Value | undefined {
  const parts = [left, right].map((part) => (typeof part === "string" ? escapeHtml(run, part) : stringOf(part)));
  if (parts.includes(undefined)) return undefined;
  run.limits.joined(parts[0]!.length + parts[1]!.length);
  return new Markup(parts.join(""));
}

const HTML: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", "'": "&#39;", '"': "&#34;" };

export function escapeHtml(run: Run, string: string): string {
  run.limits.text(string.length * 6);
  return string.replaceAll(/[&<>'"]/g, (char) => HTML[char]!);
}

export function signed(run: Run, operator: "-" | "+", value: Value): Value {
  if (value instanceof Undefined) value.fail();
  const number = numberOf(value);
  if (number === undefined) throw new TemplateError(`bad operand type for unary ${operator}: '${typeName(value)}'`);
  run.limits.charge(1);
  return operator === "-" ? -number : number;
}

export function compare(run: Run, operator: Comparison, left: Value, right: Value): boolean {
  switch (operator) {
    case "==":
      return equals(run, left, right);
    case "!=":
      return !equals(run, left, right);
    case "in":
      return contains(run, right, left);
    case "not in":
      return !contains(run, right, left);
    case "<":
      return isLess(run, left, right, operator);
    case ">":
      return isLess(run, right, left, operator);
    case "<=":
      return isLess(run, left, right, operator) || sameOrder(run, left, right);
    case ">=":
      return isLess(run, right, left, operator) || sameOrder(run, left, right);
  }
}

/** Tells whether what is not less is equal: not for NaN. */
function sameOrder(run: Run, left: Value, right: Value): boolean {
  return equals(run, left, right);
}

export function equals(run: Run, left: Value, right: Value): boolean {
  if (Object.is(left, right)) return typeof left !== "number" || !Number.isNaN(left);
  const [a, b] = [numberOf(left), numberOf(right)];
  if (a !== undefined || b !== undefined) return a !== undefined && b !== undefined && sameNumber(a, b);
  const [s, t] = [stringOf(left), stringOf(right)];
  if (s !== undefined || t !== undefined) {
    if (s !== undefined && t !== undefined && s.length === t.length) run.limits.text(s.length);
    return s === t;
  }
  if (left instanceof Undefined) return right instanceof Undefined;
  run.limits.charge(3);
  return run.limits.inside(() => {
    const [v, w] = [sequenceOf(left), sequenceOf(right)];
    if (v !== undefined && w !== undefined)
      return isList(left) === isList(right) && v.length === w.length && v.every((item, i) => equals(run, item, w[i]!));
    if (left instanceof Dict && right instanceof Dict) return sameEntries(run, left, right);
    if (left instanceof Range && right instanceof Range) {
      const same = left.length === right.length && (left.length === 0 || left.start === right.start);
      return same && (left.length < 2 || left.step === right.step);
    }
    if (left instanceof View && right instanceof View && left.part !== "values" && right.part !== "values")
      throw new TemplateError(`==: got ${left.type} and ${right.type}, need lists of them`);
    return false;
  });
}

/** 1 and 1.0 are the same; of large ones every digit counts. */
function sameNumber(a: Num, b: Num): boolean {
  if (typeof a === typeof b) return a === b;
  const [integer, float] = typeof a === "bigint" ? [a, b as number] : [b as bigint, a];
  return Number.isInteger(float) && BigInt(float) === integer;
}

function sameEntries(run: Run, left: Dict, right: Dict): boolean {
  if (left.size !== right.size) return false;
  for (const [key, value] of left.entries()) {
    const other = right.get(key);
    if (other === undefined || !equals(run, value, other)) return false;
  }
  return true;
}

/** `left < right`; `operator` is the one that stands in the template, for the error. */
export function isLess(run: Run, left: Value, right: Value, operator: string = "<"): boolean {
  run.limits.charge(1);
  for (const side of [left, right]) if (side instanceof Undefined) side.fail();
  const [a, b] = [numberOf(left), numberOf(right)];
  if (a !== undefined && b !== undefined) return a < b;
  const [s, t] = [stringOf(left), stringOf(right)];
  if (s !== undefined && t !== undefined) {
    run.limits.text(Math.min(s.length, t.length));
    return comesBefore(s, t);
  }
  const [v, w] = [sequenceOf(left), sequenceOf(right)];
  if (v === undefined || w === undefined || isList(left) !== isList(right))
    throw new TemplateError(`'${operator}' not supported between instances of '${typeName(left)}' and '${typeName(right)}'`);
  return run.limits.inside(() => {
    for (let i = 0; i < v.length && i < w.length; i++) if (!equals(run, v[i]!, w[i]!)) return isLess(run, v[i]!, w[i]!, operator);
    return v.length < w.length;
  });
}

/** The order of code points, not of UTF-16. */
function comesBefore(a: string, b: string): boolean {
  let i = 0;
  while (i < a.length && i < b.length && a[i] === b[i]) i++;
  if (i === a.length || i === b.length) return a.length < b.length;
  if (i > 0 && (a.codePointAt(i - 1) ?? 0) > 0xffff) i--;
  return a.codePointAt(i)! < b.codePointAt(i)!;
}

export function contains(run: Run, container: Value, value: Value): boolean {
  const string = stringOf(container);
  if (string !== undefined) {
    const part = stringOf(value);
    if (part === undefined) throw new TemplateError(`'in <string>' requires string as left operand, not ${typeName(value)}`);
    run.limits.text(string.length);
    return string.includes(part);
  }
  if (container instanceof Dict) return container.get(value) !== undefined;
  if (container instanceof View && container.part === "keys") return container.dict.get(value) !== undefined;
  if (container instanceof View && container.part === "items" && !(value instanceof Tuple)) return false;
  if (!(container instanceof Iterating)) run.limits.charge(1);
  const iterator = iterate(run, container);
  for (let step = iterator.next(); !step.done; step = iterator.next()) if (equals(run, step.value, value)) return true;
  return false;
}

/** Elements by equality of keys, in a set of Python's. */
export class Seen {
  readonly #keys = new Set<string>();

  /** Tells whether the key is new. */
  add(key: Value): boolean {
    const size = this.#keys.size;
    return this.#keys.add(hashKey(key)).size > size;
  }
}
