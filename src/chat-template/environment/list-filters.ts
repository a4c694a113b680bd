/** Filters of what has elements. Those that are generators in Jinja can be read once, as there. */
import { type Bound, needText, needWhole } from "../values/arguments.ts";
import { type Filter, filter, lookup, withoutCase } from "./filter.ts";
import { backwards, iterate, listOf, sizeOf } from "../values/iterate.ts";
import { NotCarriedOut, TemplateError } from "../limits.ts";
import { binary, equals, isLess, Seen } from "../values/operators.ts";
import { text } from "../values/print.ts";
import type { Run } from "../run.ts";
import { codePoints } from "../values/text-positions.ts";
import { Dict, Group, isTrue, Iterating, Markup, type Named, stringOf, Tuple, typeName, Undefined } from "../values/values.ts";
import type { Value } from "../values/values.ts";

/** Filters and tests by their names, for those that take a name. */
export interface ByName {
  filter(run: Run, name: string, value: Value, args: readonly Value[], named: Named): Value;
  test(run: Run, name: string, value: Value, args: readonly Value[], named: Named): boolean;
}

const size = filter("", (run, value) => {
  const length = sizeOf(run, value);
  if (length === undefined) throw new TemplateError(`object of type '${typeName(value)}' has no len()`);
  return BigInt(length);
});

export function listFilters(byName: ByName): readonly (readonly [string, Filter])[] {
  const choosing = (keeps: boolean, attribute: boolean): Filter => ({
    parameters: undefined,
    run: (run, value, args, named) => new Iterating(chosen(run, value, { byName, args, named, keeps, attribute })),
  });
  return [
    ["batch", filter("linecount fill_with?", (run, value, args) => new Iterating(batches(run, value, args)))],
    ["count", size],
    ["dictsort", filter("case_sensitive? by? reverse?", dictSort)],
    ["first", filter("", (run, value) => first(run, value))],
    ["groupby", filter("attribute default? case_sensitive?", groupBy)],
    ["items", filter("", (_, value) => new Iterating(items(value)))],
    ["join", filter("d? attribute?", join)],
    ["last", filter("", (run, value) => last(run, value))],
    ["length", size],
    ["list", filter("", (run, value) => listOf(run, value))],
    [
      "map",
      { parameters: undefined, run: (run, value, args, named) => new Iterating(mapped(run, value, { byName, args, named })) },
    ],
    [
      "max",
      filter("case_sensitive? attribute?", (run, value, args) => extreme(run, value, args, (a, b) => isLess(run, b, a, ">"))),
    ],
    ["min", filter("case_sensitive? attribute?", (run, value, args) => extreme(run, value, args, (a, b) => isLess(run, a, b)))],
    ["reject", choosing(false, false)],
    ["rejectattr", choosing(false, true)],
    ["reverse", filter("", reverse)],
    ["select", choosing(true, false)],
    ["selectattr", choosing(true, true)],
    ["slice", filter("slices fill_with?", (run, value, args) => new Iterating(slices(run, value, args)))],
    ["sort", filter("reverse? case_sensitive? attribute?", sort)],
    ["sum", filter("attribute? start?", sum)],
    ["unique", filter("case_sensitive? attribute?", (run, value, args) => new Iterating(unique(run, value, args)))],
  ];
}

function* batches(run: Run, value: Value, [count, fill = null]: Bound): Generator<Value> {
  const width = needWhole(count, "batch");
  let batch: Value[] = [];
  for (const item of each(run, value)) {
    if (batch.length === width) {
      yield batch;
      batch = [];
    }
    batch.push(item);
  }
  if (batch.length === 0) return;
  if (fill !== null && batch.length < width) {
    run.limits.elements(width);
    while (batch.length < width) batch.push(fill);
  }
  yield batch;
}

function* slices(run: Run, value: Value, [count, fill = null]: Bound): Generator<Value> {
  const all = listOf(run, value);
  const many = needWhole(count, "slice");
  if (many === 0) throw new TemplateError("integer division or modulo by zero");
  if (many < 0) return;
  run.limits.elements(many);
  const shortest = Math.floor(all.length / many);
  const longer = all.length % many;
  for (let i = 0; i < many; i++) {
    const begin = i * shortest + Math.min(i, longer);
    const part = all.slice(begin, begin + shortest + (i < longer ? 1 : 0));
    yield fill !== null && i >= longer ? [...part, fill] : part;
  }
}

function* each(run: Run, value: Value): Generator<Value> {
  const iterator = iterate(run, value);
  for (let step = iterator.next(); !step.done; step = iterator.next()) yield step.value;
}

function* items(value: Value): Generator<Value> {
  if (value instanceof Undefined) return;
  if (!(value instanceof Dict)) throw new TemplateError("Can only get item pairs from a mapping.");
  for (const [key, item] of value.entries()) yield new Tuple([key, item]);
}

function first(run: Run, value: Value): Value {
  const step = iterate(run, value).next();
  return step.done ? new Undefined("No first item, sequence was empty.") : step.value;
}

function last(run: Run, value: Value): Value {
  const [item] = reversed(run, value);
  return item === undefined ? new Undefined("No last item, sequence was empty.") : item;
}

function reversed(run: Run, value: Value): Iterable<Value> {
  const values = backwards(run, value);
  if (values === undefined) throw new TemplateError(`'${typeName(value)}' object is not reversible`);
  return values;
}

function reverse(run: Run, value: Value): Value {
  const string = stringOf(value);
  if (string === undefined) {
    const values = backwards(run, value);
    if (values !== undefined) return new Iterating(values);
    if (!(value instanceof Iterating)) throw new TemplateError("argument must be iterable");
    return listOf(run, value).toReversed();
  }
  run.limits.text(string.length);
  const whole = codePoints(string).toReversed().join("");
  return value instanceof Markup ? new Markup(whole) : whole;
}

function join(run: Run, value: Value, [mark = "", attribute = null]: Bound): Value {
  const separator = text(run, mark);
  const of = lookup(run, attribute);
  let whole = "";
  let begun = false;
  for (const item of each(run, value)) {
    const part = text(run, of(item));
    whole += begun ? separator + part : part;
    begun = true;
    run.limits.joined(whole.length);
  }
  run.limits.text(whole.length);
  return whole;
}

/** Elements in the order of their keys; those with equal keys stay as they were, in either direction. */
function sorted<T>(run: Run, all: readonly T[], key: (item: T) => Value, descending: boolean): T[] {
  const keyed = all.map((item) => ({ item, key: key(item) }));
  const order = (a: Value, b: Value) => {
    run.limits.charge(3);
    return isLess(run, a, b) ? -1 : isLess(run, b, a) ? 1 : 0;
  };
  keyed.sort((a, b) => (descending ? order(b.key, a.key) : order(a.key, b.key)));
  return keyed.map(({ item }) => item);
}

function sort(run: Run, value: Value, [descending = false, caseSensitive = false, attribute = null]: Bound): Value {
  const names = stringOf(attribute)?.split(",") ?? [attribute];
  const parts = names.map((name) => lookup(run, name));
  const key = (item: Value) => parts.map((part) => withoutCase(run, part(item), isTrue(caseSensitive)));
  return sorted(run, listOf(run, value), key, isTrue(descending));
}

function dictSort(run: Run, value: Value, [caseSensitive = false, by = "key", descending = false]: Bound): Value {
  if (by !== "key" && by !== "value") throw new TemplateError('You can only sort by either "key" or "value"');
  if (!(value instanceof Dict)) {
    if (value instanceof Undefined) value.fail();
    throw new TemplateError(`'${typeName(value)}' object has no attribute 'items'`);
  }
  const place = by === "key" ? 0 : 1;
  const key = (entry: readonly [Value, Value]) => withoutCase(run, entry[place], isTrue(caseSensitive));
  return sorted(run, [...value.entries()], key, isTrue(descending)).map((entry) => new Tuple(entry));
}

function* unique(run: Run, value: Value, [caseSensitive = false, attribute = null]: Bound): Generator<Value> {
  const of = lookup(run, attribute);
  const seen = new Seen();
  for (const item of each(run, value)) if (seen.add(withoutCase(run, of(item), isTrue(caseSensitive)))) yield item;
}

/** @param better tells whether the first key is to be preferred to the second */
function extreme(
  run: Run,
  value: Value,
  [caseSensitive = false, attribute = null]: Bound,
  better: (a: Value, b: Value) => boolean,
): Value {
  const of = lookup(run, attribute);
  let best: { item: Value; key: Value } | undefined;
  for (const item of each(run, value)) {
    const key = withoutCase(run, of(item), isTrue(caseSensitive));
    if (best === undefined || better(key, best.key)) best = { item, key };
  }
  return best === undefined ? new Undefined("No aggregated item, sequence was empty.") : best.item;
}

function sum(run: Run, value: Value, [attribute = null, start = 0n]: Bound): Value {
  if (stringOf(start) !== undefined) throw new TemplateError("sum() can't sum strings [use ''.join(seq) instead]");
  const of = lookup(run, attribute);
  let total: Value = start;
  // What Python adds from 3.12 on to a sum of floats, so that nothing is lost by rounding.
  let lost = 0;
  for (const item of each(run, value)) {
    const [before, next]: Value[] = [total, of(item)];
    total = binary(run, "+", before, next);
    if (typeof total !== "number") continue;
    const [a, b] = [Number(before), Number(next)];
    lost += Math.abs(a) >= Math.abs(b) ? a - total + b : b - total + a;
  }
  if (typeof total === "number" && total + lost !== total)
    throw new NotCarriedOut("a sum of floats that Python's versions round differently");
  return total;
}

function groupBy(run: Run, value: Value, [attribute, otherwise = null, caseSensitive = false]: Bound): Value {
  const of = lookup(run, attribute, otherwise);
  const sensitive = isTrue(caseSensitive);
  const key = (item: Value) => withoutCase(run, of(item), sensitive);
  const groups: { key: Value; items: Value[] }[] = [];
  for (const item of sorted(run, listOf(run, value), key, false)) {
    const own = key(item);
    const group = groups.at(-1);
    if (group !== undefined && equals(run, group.key, own)) group.items.push(item);
    else groups.push({ key: own, items: [item] });
  }
  return groups.map((group) => new Group([sensitive ? group.key : of(group.items[0]!), group.items]));
}

interface Applied {
  readonly byName: ByName;
  readonly args: readonly Value[];
  readonly named: Named;
}

function* mapped(run: Run, value: Value, { byName, args, named }: Applied): Generator<Value> {
  if (!isTrue(value)) return;
  const [name, ...rest] = args;
  let apply: (item: Value) => Value;
  if (name === undefined && named.has("attribute")) {
    for (const other of named.keys())
      if (other !== "attribute" && other !== "default") throw new TemplateError(`Unexpected keyword argument '${other}'`);
    apply = lookup(run, named.get("attribute"), named.get("default"));
  } else {
    if (name === undefined) throw new TemplateError("map requires a filter argument");
    apply = (item) => byName.filter(run, needText(name, "map"), item, rest, named);
  }
  for (const item of each(run, value)) yield apply(item);
}

interface Choice extends Applied {
  readonly keeps: boolean;
  /** Whether the first argument names what of an element is tested. */
  readonly attribute: boolean;
}

function* chosen(run: Run, value: Value, { byName, args, named, keeps, attribute }: Choice): Generator<Value> {
  if (!isTrue(value)) return;
  if (attribute && args.length === 0) throw new TemplateError("Missing parameter for attribute name");
  const of = lookup(run, attribute ? args[0] : null);
  const [name, ...rest] = attribute ? args.slice(1) : args;
  for (const item of each(run, value)) {
    const tested = of(item);
    const passes = name === undefined ? isTrue(tested) : byName.test(run, needText(name, "select"), tested, rest, named);
    if (passes === keeps) yield item;
  }
}
