/** Expressions of a template as functions that give their values. */
import { callValue, getAttribute, getItem, getSlice } from "../values/attributes.ts";
import { applyFilter, known, testByName } from "../environment/environment.ts";
import { NotCarriedOut, TemplateError, TemplateSyntaxError } from "../limits.ts";
import type { Arguments, Call, Expression, Filter } from "../syntax/nodes.ts";
import { binary, compare, signed } from "../values/operators.ts";
import { text } from "../values/print.ts";
import type { Activation } from "../run.ts";
import type { FunctionVariables, ScopeNames } from "./scopes.ts";
import { Dict, isTrue, stringOf, Tuple, typeName, Undefined, type Value } from "../values/values.ts";
import { listOf } from "../values/iterate.ts";

export type Evaluate = (at: Activation) => Value;
type EvaluateArguments = (at: Activation) => { args: Value[]; named: Map<string, Value> };

/** Where an expression stands. */
export interface Place {
  readonly names: ScopeNames;
  /** Whether in an `if`, where Jinja lets unknown filters and tests be until they are needed. */
  readonly conditional: boolean;
  /** Whether it is the default of a parameter, where parameters may have no value yet. */
  readonly isDefault?: boolean;
}

/** Compiles an expression; unknown filters and tests are refused here, where it is not conditional. */
export function compileExpression(place: Place, node: Expression): Evaluate {
  switch (node.kind) {
    case "constant": {
      const { value } = node;
      return () => value;
    }
    case "name":
      return readName(place, node.name);
    case "tuple":
    case "list":
      return compileItems(place, node.items, node.kind);
    case "dict":
      return compileDict(place, node.pairs);
    case "concat":
      return compileConcat(place, node.items);
    case "binary": {
      const { operator } = node;
      const [left, right] = [compileExpression(place, node.left), compileExpression(place, node.right)];
      return (at) => binary(at.run, operator, left(at), right(at));
    }
    case "and":
    case "or": {
      const goesOn = node.kind === "and";
      const [left, right] = [compileExpression(place, node.left), compileExpression(place, node.right)];
      return (at) => {
        const value = left(at);
        return isTrue(value) === goesOn ? right(at) : value;
      };
    }
    case "unary": {
      const operand = compileExpression(place, node.operand);
      const { operator } = node;
      return operator === "not" ? (at) => !isTrue(operand(at)) : (at) => signed(at.run, operator, operand(at));
    }
    case "compare":
      return compileComparison(place, node);
    case "attribute": {
      const object = compileExpression(place, node.object);
      const { name } = node;
      return (at) => getAttribute(at.run, object(at), name);
    }
    case "item":
      return compileItem(place, node);
    case "call":
      return compileCall(place, node);
    case "filter":
      return compileFilter(place, node);
    case "test":
      return compileTest(place, node);
    case "condition":
      return compileCondition(place, node);
    default:
      throw new TemplateSyntaxError("got a slice or a namespace where none can stand");
  }
}

/** How a variable is reached from where its name stands: functions outward, and its place there. */
export function reach(names: ScopeNames, variable: { readonly of: FunctionVariables; readonly slot: number }): [number, number] {
  return [names.of.depth - variable.of.depth, variable.slot];
}

function readName({ names, isDefault = false }: Place, name: string): Evaluate {
  const variable = names.variable(name);
  const [levels, slot] = reach(names, variable);
  const ended = names.isParameter(variable) && !isDefault;
  return (at) => {
    at.run.limits.charge(1);
    const value = at.up(levels).slots[slot];
    if (value !== undefined) return value;
    if (ended) throw new NotCarriedOut(`the variable ${name} of a loop that has ended`);
    return new Undefined(`'${name}' is undefined`);
  };
}

function compileItems(place: Place, nodes: readonly Expression[], kind: "list" | "tuple"): Evaluate {
  const items = nodes.map((item) => compileExpression(place, item));
  return (at) => {
    at.run.limits.elements(items.length);
    const values = items.map((item) => item(at));
    return kind === "list" ? values : new Tuple(values);
  };
}

function compileDict(place: Place, nodes: readonly (readonly [Expression, Expression])[]): Evaluate {
  const pairs = nodes.map(([key, value]) => [compileExpression(place, key), compileExpression(place, value)] as const);
  return (at) => {
    at.run.limits.elements(pairs.length * 2);
    return Dict.of(pairs.map(([key, value]) => [key(at), value(at)]));
  };
}

function compileConcat(place: Place, nodes: readonly Expression[]): Evaluate {
  const items = nodes.map((item) => compileExpression(place, item));
  return (at) => {
    const { run } = at;
    let whole = "";
    for (const item of items) {
      whole += text(run, item(at));
      run.limits.joined(whole.length);
    }
    return whole;
  };
}

function compileComparison(place: Place, node: Expression & { kind: "compare" }): Evaluate {
  const first = compileExpression(place, node.first);
  const rest = node.rest.map(([operator, operand]) => [operator, compileExpression(place, operand)] as const);
  return (at) => {
    let left = first(at);
    for (const [operator, operand] of rest) {
      const right = operand(at);
      at.run.limits.charge(1);
      if (!compare(at.run, operator, left, right)) return false;
      left = right;
    }
    return true;
  };
}

function compileItem(place: Place, { object, key }: Expression & { kind: "item" }): Evaluate {
  const of = compileExpression(place, object);
  if (key.kind === "slice") {
    const parts = key.parts.map((part) => (part === undefined ? undefined : compileExpression(place, part)));
    return (at) => {
      const value = of(at);
      return getSlice(
        at.run,
        value,
        parts.map((part) => part?.(at)),
      );
    };
  }
  const by = compileExpression(place, key);
  return (at) => {
    const value = of(at);
    return getItem(at.run, value, by(at));
  };
}

function compileCondition(place: Place, node: Expression & { kind: "condition" }): Evaluate {
  const inside = { ...place, conditional: true };
  const [test, value] = [compileExpression(inside, node.test), compileExpression(inside, node.value)];
  const otherwise = node.otherwise === undefined ? undefined : compileExpression(inside, node.otherwise);
  return (at) => {
    if (isTrue(test(at))) return value(at);
    return otherwise === undefined ? new Undefined("the inline if-expression has no else") : otherwise(at);
  };
}

/** @param caller what a `call` block hands to the macro it calls */
export function compileCall(place: Place, node: Call, caller?: Evaluate): Evaluate {
  const callee = compileExpression(place, node.callee);
  const given = compileArguments(place, node.arguments);
  return (at) => {
    const called = callee(at);
    const { args, named } = given(at);
    if (caller !== undefined) {
      if (named.has("caller")) throw new TemplateError("got the argument 'caller' twice, need it once");
      named.set("caller", caller(at));
    }
    return callValue(at.run, called, args, named);
  };
}

function compileArguments(place: Place, { positional, named, list, dict }: Arguments): EvaluateArguments {
  const values = positional.map((argument) => compileExpression(place, argument));
  const pairs = named.map(([name, argument]) => [name, compileExpression(place, argument)] as const);
  const [more, others] = [list, dict].map((one) => (one === undefined ? undefined : compileExpression(place, one)));
  return (at) => {
    const args = values.map((argument) => argument(at));
    const byName = new Map<string, Value>();
    for (const [name, argument] of pairs) byName.set(name, argument(at));
    if (more !== undefined) args.push(...listOf(at.run, more(at)));
    if (others !== undefined) spread(byName, others(at));
    return { args, named: byName };
  };
}

function spread(named: Map<string, Value>, dict: Value): void {
  if (!(dict instanceof Dict)) throw new TemplateError(`argument after ** must be a mapping, not ${typeName(dict)}`);
  for (const [key, value] of dict.entries()) {
    const name = stringOf(key);
    if (name === undefined) throw new TemplateError("keywords must be strings");
    if (named.has(name)) throw new TemplateError(`got the argument '${name}' twice, need it once`);
    named.set(name, value);
  }
}

/** @param block the text of the block that is filtered, for a filter without an operand */
export function compileFilter(place: Place, node: Filter, block?: Evaluate): Evaluate {
  const { name } = node;
  refuseUnknown(place, "filter", name, node.line);
  const operand =
    node.operand === undefined
      ? block!
      : node.operand.kind === "filter"
        ? compileFilter(place, node.operand, block)
        : compileExpression(place, node.operand);
  const given = compileArguments(place, node.arguments);
  return (at) => {
    const value = operand(at);
    const { args, named } = given(at);
    return applyFilter(at.run, name, value, args, named);
  };
}

function compileTest(place: Place, node: Expression & { kind: "test" }): Evaluate {
  const { name } = node;
  refuseUnknown(place, "test", name, node.line);
  const operand = compileExpression(place, node.operand);
  const given = compileArguments(place, node.arguments);
  return (at) => {
    const value = operand(at);
    const { args, named } = given(at);
    return testByName(at.run, name, value, args, named);
  };
}

function refuseUnknown({ conditional }: Place, kind: "filter" | "test", name: string, line: number): void {
  const answer = known(kind, name);
  if (answer === "refused") throw new NotCarriedOut(`line ${line}: the ${kind} ${name}`);
  if (answer === "no" && !conditional)
    throw new TemplateSyntaxError(`line ${line}: got the ${kind} '${name}', need one that Jinja has`);
}
