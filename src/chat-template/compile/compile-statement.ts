/** Statements of a template as functions that write; each scope's variables begin as `scopes.ts` says. */
import { compileCall, compileExpression, compileFilter, type Evaluate } from "./compile-expression.ts";
import { compileFor } from "./compile-loop.ts";
import { type Blocks, compileEntry, compileExit, compileTarget, depthOf, type Execute } from "./frame.ts";
import { type Frame, innerFrame, type Leave } from "./frame.ts";
import { NotCarriedOut, TemplateError, TemplateSyntaxError } from "../limits.ts";
import { macroFunction } from "./macro.ts";
import type { Expression, Filter, Macro, Statement } from "../syntax/nodes.ts";
import { text } from "../values/print.ts";
import { Activation, type Run } from "../run.ts";
import { FunctionVariables, readExpression, readStatements, ScopeNames, undeclared } from "./scopes.ts";
import { type Callable, isTrue, stringOf, typeName, type Value } from "../values/values.ts";

export function compileBody(frame: Frame, statements: readonly Statement[]): Execute {
  const steps = statements.map((statement) => compileStatement(frame, statement));
  return (at) => {
    for (const step of steps) {
      at.run.limits.charge(1);
      const leave = step(at);
      if (leave !== undefined) return leave;
    }
    return undefined;
  };
}

/** The whole template or one block: a function with no variables outside. */
export function compileTemplate(statements: readonly Statement[], blocks: Blocks, isBlock: boolean): (run: Run) => void {
  const names = new ScopeNames(undefined, new FunctionVariables(undefined));
  for (const name of isBlock ? ["self", "super"] : ["self"]) {
    if (undeclared(statements, [name]).has(name)) throw new NotCarriedOut(`the name ${name}, which stands for the template`);
  }
  readStatements(names, statements);
  const body = compileBody({ names, conditional: false, top: !isBlock, blocks }, statements);
  const enter = compileEntry(names);
  return (run) => {
    const at = new Activation(run, undefined);
    enter(at);
    body(at);
  };
}

function compileStatement(frame: Frame, node: Statement): Execute {
  switch (node.kind) {
    case "output":
      return compileOutput(frame, node.parts);
    case "set": {
      const value = compileExpression(frame, node.value);
      const assign = compileTarget(frame, node.target);
      return (at) => void assign(at, value(at));
    }
    case "setblock":
      return compileSetBlock(frame, node);
    case "for":
      return compileFor(frame, node, compileBody);
    case "if":
      return compileIf(frame, node);
    case "with":
      return compileWith(frame, node);
    case "macro": {
      const assign = compileTarget(frame, { kind: "name", name: node.name! });
      const macro = compileMacro(frame, node);
      return (at) => void assign(at, macro(at));
    }
    case "call": {
      const caller = compileMacro(frame, node.macro);
      if (node.call === undefined)
        return (at) => at.run.write(text(at.run, (caller(at) as Callable).call([], new Map()))) as undefined;
      const call = compileCall(frame, node.call, caller);
      return (at) => writeString(at, call(at));
    }
    case "filterblock":
      return compileFilterBlock(frame, node);
    case "block":
      return compileBlock(frame, node);
    default: {
      const { kind } = node;
      return () => kind;
    }
  }
}

/** What a block's call or filter gives is joined with the text around it, so Python wants a string. */
function writeString(at: Activation, value: Value): undefined {
  const string = stringOf(value);
  if (string === undefined) throw new TemplateError(`got ${typeName(value)} from a block, need a string`);
  at.run.write(string);
}

function compileOutput(frame: Frame, parts: readonly (string | Expression)[]): Execute {
  const steps = parts.map((part) => (typeof part === "string" ? part : compileExpression(frame, part)));
  return (at) => {
    for (const step of steps) at.run.write(typeof step === "string" ? step : text(at.run, step(at)));
    return undefined;
  };
}

function compileSetBlock(frame: Frame, node: Statement & { kind: "setblock" }): Execute {
  const assign = compileTarget(frame, node.target);
  return compileCapture(frame, node, assign);
}

function compileFilterBlock(frame: Frame, node: Statement & { kind: "filterblock" }): Execute {
  return compileCapture(frame, node, writeString);
}

/** A body whose text goes through the filter, if there is one, and then to where it is wanted. */
function compileCapture(
  frame: Frame,
  node: Statement & { kind: "setblock" | "filterblock" },
  give: (at: Activation, value: Value) => void,
): Execute {
  const names = new ScopeNames(frame.names, frame.names.of);
  readStatements(names, node.body);
  if (node.kind === "filterblock") readExpression(names, node.filter);
  const inner = innerFrame(frame, names);
  const body = compileBody(inner, node.body);
  const [enter, exit] = [compileEntry(names), compileExit(names)];
  let captured = "";
  const filter = node.filter === undefined ? undefined : compileFilter(inner, node.filter as Filter, () => captured);
  return (at) => {
    enter(at);
    let leave: Leave;
    const whole = at.run.capture(() => {
      leave = body(at);
    });
    if (leave !== undefined) return leave;
    captured = whole;
    give(at, filter === undefined ? whole : filter(at));
    exit(at);
    return undefined;
  };
}

function compileIf(frame: Frame, { branches, otherwise }: Statement & { kind: "if" }): Execute {
  const inside = { ...frame, conditional: true };
  const tests = branches.map(({ test }) => compileExpression(inside, test));
  const bodies = [...branches.map(({ body }) => body), otherwise].map((body) => compileBody(inside, body));
  return (at) => {
    const chosen = tests.findIndex((test) => isTrue(test(at)));
    return bodies[chosen < 0 ? tests.length : chosen]!(at);
  };
}

function compileWith(frame: Frame, node: Statement & { kind: "with" }): Execute {
  const names = new ScopeNames(frame.names, frame.names.of);
  for (const target of node.targets) readExpression(names, target, "parameter");
  readStatements(names, node.body);
  const inner = innerFrame(frame, names);
  const values = node.values.map((value) => compileExpression(frame, value));
  const targets = node.targets.map((target) => compileTarget(inner, target));
  const body = compileBody(inner, node.body);
  const [enter, exit] = [compileEntry(names), compileExit(names)];
  return (at) => {
    enter(at);
    for (const [i, target] of targets.entries()) target(at, values[i]!(at));
    const leave = body(at);
    exit(at);
    return leave;
  };
}

function compileBlock(frame: Frame, node: Statement & { kind: "block" }): Execute {
  const { name, required } = node;
  const { blocks } = frame;
  if (blocks.has(name)) throw new TemplateSyntaxError(`line ${node.line}: block '${name}' defined twice`);
  blocks.set(name, undefined);
  const body = compileTemplate(node.body, blocks, true);
  return (at) => {
    if (required) throw new TemplateError(`Required block '${name}' not found`);
    at.run.limits.call(10, () => body(at.run));
    return undefined;
  };
}

function compileMacro(frame: Frame, node: Macro): Evaluate {
  const of = new FunctionVariables(frame.names.of);
  const names = new ScopeNames(frame.names, of);
  const { parameters, defaults } = node.signature;
  for (const name of parameters) names.parameter(name);
  for (const one of defaults) readExpression(names, one);
  readStatements(names, node.body);
  const special = undeclared(node.body, ["caller", "kwargs", "varargs"]);
  const explicit = parameters.indexOf("caller");
  if (special.has("caller") && explicit >= 0 && explicit < parameters.length - defaults.length)
    throw new TemplateSyntaxError(`line ${node.line}: got the parameter 'caller' without a default, need one`);
  const extra = ["caller", "kwargs", "varargs"].filter((name) => special.has(name) && !parameters.includes(name));
  for (const name of extra) names.parameter(name);
  const inner = innerFrame(frame, names);
  const values = defaults.map((one) => compileExpression({ ...inner, isDefault: true }, one));
  return macroFunction({
    name: node.name,
    parameters,
    extra,
    slots: [...parameters, ...extra].map((name) => names.variable(name).slot),
    defaults: [...parameters.slice(defaults.length).map(() => undefined), ...values],
    enter: compileEntry(names),
    body: compileBody(inner, node.body),
    depth: depthOf(node.body),
  });
}
