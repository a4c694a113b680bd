/** Macros: how what they are called with becomes their parameters, and what they write their value. */
import type { Evaluate } from "./compile-expression.ts";
import { TemplateError } from "../limits.ts";
import { Activation } from "../run.ts";
import { Callable, Dict, type Named, Tuple, Undefined, type Value } from "../values/values.ts";

export interface MacroParts {
  readonly name: string | undefined;
  readonly parameters: readonly string[];
  /** Those of caller, kwargs and varargs that the body reads. */
  readonly extra: readonly string[];
  /** Places of the parameters and of `extra`. */
  readonly slots: readonly number[];
  /** For each parameter. */
  readonly defaults: readonly (Evaluate | undefined)[];
  readonly enter: (at: Activation) => void;
  readonly body: (at: Activation) => unknown;
  readonly depth: number;
}

/** The macro as a value, made where the tag stands. */
export function macroFunction(parts: MacroParts): (at: Activation) => Callable {
  const { name } = parts;
  const text = `<Macro ${name === undefined ? "anonymous" : `'${name}'`}>`;
  const attributes = { name: name ?? null, arguments: new Tuple(parts.parameters) };
  return (outer) => new Callable((args, named) => callMacro(parts, outer, args, named), text, attributes);
}

function callMacro(parts: MacroParts, outer: Activation, args: readonly Value[], named: Named): Value {
  const { run } = outer;
  const at = new Activation(run, outer);
  const { parameters, slots } = parts;
  const values = passed(parts, args, named);
  for (const [i, value] of values.entries()) at.slots[slots[i]!] = value;
  return run.limits.call(parts.depth, () =>
    run.capture(() => {
      parts.enter(at);
      for (const [i, parameter] of parameters.entries()) {
        const slot = slots[i]!;
        const otherwise = parts.defaults[i];
        if (at.slots[slot] !== undefined) continue;
        at.slots[slot] = otherwise === undefined ? new Undefined(`parameter '${parameter}' was not provided`) : otherwise(at);
      }
      parts.body(at);
    }),
  );
}

/** Values of the parameters and of `extra`; undefined where there is none. */
function passed({ name, parameters, extra }: MacroParts, args: readonly Value[], named: Named): (Value | undefined)[] {
  const left = new Map(named);
  const taken = (key: string): Value | undefined => {
    const value = left.get(key);
    left.delete(key);
    return value;
  };
  const values: (Value | undefined)[] = args.slice(0, parameters.length);
  for (const parameter of parameters.slice(values.length)) values.push(taken(parameter));
  for (const key of extra) {
    if (key === "caller") values.push(taken("caller") ?? new Undefined("No caller defined"));
    else values.push(key === "kwargs" ? Dict.of(left) : new Tuple(args.slice(parameters.length)));
  }
  const what = name === undefined ? "a macro" : `macro '${name}'`;
  const [unknown] = left.keys();
  if (!extra.includes("kwargs") && unknown !== undefined)
    throw new TemplateError(`${what} takes no keyword argument '${unknown}'`);
  if (!extra.includes("varargs") && args.length > parameters.length)
    throw new TemplateError(`${what} takes not more than ${parameters.length} argument(s)`);
  return values;
}
