/** The tests after `is`. */
import { bind } from "../values/arguments.ts";
import { isIterable, sizeOf } from "../values/iterate.ts";
import { isLower, isUpper } from "../values/letter-case.ts";
import { NotCarriedOut } from "../limits.ts";
import { binary, compare, equals, numberOf } from "../values/operators.ts";
import type { Comparison } from "../syntax/nodes.ts";
import { text } from "../values/print.ts";
import type { Run } from "../run.ts";
import { Callable, Dict, Markup, type Named, PythonObject, stringOf, Undefined, type Value, View } from "../values/values.ts";

export interface Test {
  readonly parameters: readonly string[];
  readonly run: (run: Run, value: Value, other: Value | undefined) => boolean;
}

const of = (test: (value: Value, run: Run) => boolean): Test => ({ parameters: [], run: (run, value) => test(value, run) });
const against = (test: (run: Run, value: Value, other: Value) => boolean): Test => ({
  parameters: ["other"],
  run: (run, value, other) => test(run, value, other!),
});
const comparison = (operator: Comparison) => against((run, value, other) => compare(run, operator, value, other));
const remainder = (run: Run, value: Value, divisor: Value, rest: bigint) => equals(run, binary(run, "%", value, divisor), rest);

export const TESTS: ReadonlyMap<string, Test> = new Map<string, Test>([
  ["odd", of((value, run) => remainder(run, value, 2n, 1n))],
  ["even", of((value, run) => remainder(run, value, 2n, 0n))],
  ["divisibleby", { parameters: ["num"], run: (run, value, num) => remainder(run, value, num!, 0n) }],
  ["defined", of((value) => !(value instanceof Undefined))],
  ["undefined", of((value) => value instanceof Undefined)],
  ["none", of((value) => value === null)],
  ["boolean", of((value) => typeof value === "boolean")],
  ["false", of((value) => value === false)],
  ["true", of((value) => value === true)],
  ["integer", of((value) => typeof value === "bigint")],
  ["float", of((value) => typeof value === "number")],
  ["number", of((value) => numberOf(value) !== undefined)],
  ["string", of((value) => stringOf(value) !== undefined)],
  ["mapping", of((value) => value instanceof Dict)],
  ["sequence", of((value, run) => sizeOf(run, value) !== undefined && !(value instanceof View))],
  ["iterable", of(isIterable)],
  ["callable", of((value) => value instanceof Callable || value instanceof Undefined)],
  ["lower", of((value, run) => isLower(text(run, value)))],
  ["upper", of((value, run) => isUpper(text(run, value)))],
  ["escaped", of((value) => value instanceof Markup)],
  ["sameas", against((_, value, other) => isSame(value, other))],
  ["in", { parameters: ["seq"], run: (run, value, seq) => compare(run, "in", value, seq!) }],
  ...["==", "eq", "equalto"].map((name): [string, Test] => [name, comparison("==")]),
  ...["!=", "ne"].map((name): [string, Test] => [name, comparison("!=")]),
  ...[">", "gt", "greaterthan"].map((name): [string, Test] => [name, comparison(">")]),
  ...[">=", "ge"].map((name): [string, Test] => [name, comparison(">=")]),
  ...["<", "lt", "lessthan"].map((name): [string, Test] => [name, comparison("<")]),
  ...["<=", "le"].map((name): [string, Test] => [name, comparison("<=")]),
]);

/** Tests that need the names of filters and tests; they are carried out where those are known. */
export const NAME_TESTS: ReadonlySet<string> = new Set(["filter", "test"]);

export function applyTest(run: Run, test: Test, name: string, value: Value, args: readonly Value[], named: Named): boolean {
  run.limits.charge(1);
  // Functions of Python's `operator` take no names.
  const keywords = ["divisibleby", "sameas", "in"].includes(name);
  return test.run(run, value, bind(name, test.parameters, args, named, keywords)[0]);
}

/** `value is other` of Python: certain for singletons and objects, not for numbers and strings. */
function isSame(value: Value, other: Value): boolean {
  const single = (one: Value) => one === null || typeof one === "boolean";
  if (single(value) || single(other) || typeof value !== typeof other) return value === other;
  if (value instanceof PythonObject && !(value instanceof Undefined)) return value === other;
  throw new NotCarriedOut("the test sameas of numbers, strings or lists");
}
