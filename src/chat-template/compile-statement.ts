/** Statements of a template as functions that write; each scope's variables begin as `scopes.ts` says. */
import { compileCall, compileExpression, compileFilter, type Evaluate, type Place, reach } from "./compile-expression.ts";
import { iterate, listOf } from "./iterate.ts";
import { NotCarriedOut, TemplateError, TemplateSyntaxError } from "./limits.ts";
import { Loop } from "./loop.ts";
import { macroFunction } from "./macro.ts";
import type { Expression, Filter, For, Macro, Statement } from "./nodes.ts";
import { text } from "./print.ts";
import { Activation } from "./run.ts";
import { assigns, FunctionVariables, readExpression, readStatements, ScopeNames, undeclared } from "./scopes.ts";
import { type Callable, isTrue, Iterating, Namespace, stringOf, Tuple, typeName, type Value } from "./values.ts";

/** Where a statement stands. */
export interface Frame extends Place {
  /** Whether outside of loops and macros: what is assigned there is seen by blocks. */
  readonly top: boolean;
  readonly blocks: Blocks;
}

/** Blocks by name, each a template of its own over what the top has assigned. */
export type Blocks = Map<string, ((run: Activation["run"]) => void) | undefined>;
type Leave = "break" | "continue" | undefined;
/** Writes, and says if a loop is to be left. */
export type Execute = (at: Activation) => Leave;
type Assign = (at: Activation, value: Value) => void;

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
export function compileTemplate(
  statements: readonly Statement[],
  blocks: Blocks,
  isBlock: boolean,
): (run: Activation["run"]) => void {
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
      return compileFor(frame, node);
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

/** Variables of a scope as they are when it is entered. */
function compileEntry(names: ScopeNames): (at: Activation) => void {
  const steps = names.loads().flatMap(([variable, load]): ((at: Activation) => void)[] => {
    const { slot } = variable;
    if (load.kind === "empty") return [(at) => void (at.slots[slot] = undefined)];
    if (load.kind === "lookup") return [(at) => void (at.slots[slot] = at.run.lookup(load.name))];
    if (load.kind !== "copy") return [];
    const [levels, from] = reach(names, load.from);
    return [(at) => void (at.slots[slot] = at.up(levels).slots[from])];
  });
  return (at) => {
    for (const step of steps) step(at);
  };
}

/** Empties a scope's variables, for what was made in it and lives on. */
function compileExit(names: ScopeNames): (at: Activation) => void {
  const slots = names.loads().map(([{ slot }]) => slot);
  return (at) => {
    for (const slot of slots) at.slots[slot] = undefined;
  };
}

function compileTarget(frame: Frame, target: Expression): Assign {
  if (target.kind === "tuple") {
    const parts = target.items.map((item) => compileTarget(frame, item));
    const checks = namespacesOf(target).map((name) => compileExpression(frame, { kind: "name", name }));
    return (at, value) => {
      for (const check of checks) needNamespace(check(at));
      const values = unpack(at.run, value, parts.length);
      for (const [i, part] of parts.entries()) part(at, values[i]!);
    };
  }
  if (target.kind === "namespace") {
    const object = compileExpression(frame, { kind: "name", name: target.name });
    const { attribute } = target;
    return (at, value) => needNamespace(object(at)).set(attribute, value);
  }
  const { name } = target as Expression & { kind: "name" };
  const { slot } = frame.names.variable(name);
  if (!frame.top) return (at, value) => void (at.slots[slot] = value);
  return (at, value) => {
    at.slots[slot] = value;
    at.run.assigned.set(name, value);
  };
}

function namespacesOf(target: Expression): string[] {
  if (target.kind === "namespace") return [target.name];
  return target.kind === "tuple" ? target.items.flatMap(namespacesOf) : [];
}

function needNamespace(value: Value): Namespace {
  if (value instanceof Namespace) return value;
  throw new TemplateError("cannot assign attribute on non-namespace object");
}

function unpack(run: Activation["run"], value: Value, count: number): readonly Value[] {
  const iterator = iterate(run, value);
  const values: Value[] = [];
  for (let step = iterator.next(); !step.done; step = iterator.next()) {
    if (values.length === count) throw new TemplateError(`too many values to unpack (expected ${count})`);
    values.push(step.value);
  }
  if (values.length < count) throw new TemplateError(`not enough values to unpack (expected ${count}, got ${values.length})`);
  return values;
}

function innerFrame(frame: Frame, names: ScopeNames): Frame {
  return { names, conditional: false, top: false, blocks: frame.blocks };
}

function compileSetBlock(frame: Frame, node: Statement & { kind: "setblock" }): Execute {
  const names = new ScopeNames(frame.names, frame.names.of);
  readStatements(names, node.body);
  const inner = innerFrame(frame, names);
  const body = compileBody(inner, node.body);
  const [enter, exit] = [compileEntry(names), compileExit(names)];
  let captured = "";
  const filter = node.filter === undefined ? undefined : compileFilter(inner, node.filter as Filter, () => captured);
  const assign = compileTarget(frame, node.target);
  return (at) => {
    enter(at);
    let leave: Leave;
    const whole = at.run.capture(() => {
      leave = body(at);
    });
    if (leave !== undefined) return leave;
    captured = whole;
    assign(at, filter === undefined ? whole : filter(at));
    exit(at);
    return undefined;
  };
}

function compileFilterBlock(frame: Frame, node: Statement & { kind: "filterblock" }): Execute {
  const names = new ScopeNames(frame.names, frame.names.of);
  readStatements(names, node.body);
  readExpression(names, node.filter);
  const inner = innerFrame(frame, names);
  const body = compileBody(inner, node.body);
  const [enter, exit] = [compileEntry(names), compileExit(names)];
  let captured = "";
  const filter = compileFilter(inner, node.filter as Filter, () => captured);
  return (at) => {
    enter(at);
    let leave: Leave;
    const whole = at.run.capture(() => {
      leave = body(at);
    });
    if (leave !== undefined) return leave;
    captured = whole;
    writeString(at, filter(at));
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

/** Levels of a body, for counting how deep calls in calls go. */
function depthOf(statements: readonly Statement[]): number {
  return statements.reduce((most, node) => {
    const bodies =
      node.kind === "if" ? [...node.branches.map(({ body }) => body), node.otherwise] : "body" in node ? [node.body] : [];
    const expressions =
      node.kind === "output" ? node.parts.map((part) => (typeof part === "string" ? 0 : (part.depth ?? 1))) : [3];
    return Math.max(most, 2 + Math.max(0, ...bodies.map(depthOf), ...expressions));
  }, 2);
}

function compileFor(frame: Frame, node: For): Execute {
  if (assigns([node], "loop"))
    throw new TemplateSyntaxError(`line ${node.line}: Can't assign to special loop variable in for-loop target`);
  const of = node.recursive ? new FunctionVariables(frame.names.of) : frame.names.of;
  const extended = node.recursive || undeclared(node.body, ["loop"]).has("loop");
  const names = new ScopeNames(frame.names, of);
  if (extended) names.parameter("loop");
  readExpression(names, node.target, "parameter");
  readStatements(names, node.body);
  const otherwiseNames = new ScopeNames(frame.names, of);
  readStatements(otherwiseNames, node.otherwise);
  const inner = innerFrame(frame, names);
  const assign = compileTarget(inner, node.target);
  const loopSlot = extended ? names.variable("loop").slot : undefined;
  const [enter, exit, body] = [compileEntry(names), compileExit(names), compileBody(inner, node.body)];
  const enterOtherwise = compileEntry(otherwiseNames);
  const otherwise = compileBody(innerFrame(frame, otherwiseNames), node.otherwise);
  const test = node.test === undefined ? undefined : compileLoopTest(frame, node);
  const iterable = compileExpression(frame, node.iterable);
  const depth = depthOf(node.body);

  const each = (
    at: Activation,
    values: Value,
    recursion: ((values: Value, depth: number) => Value) | undefined,
    level: number,
  ): Leave => {
    // What the test reads outside is the function around the loop.
    const tested = test === undefined ? values : test(recursion === undefined ? at : at.outer!, values);
    const loop = extended ? new Loop(at.run, tested, recursion, level) : undefined;
    const iterator = loop === undefined ? iterate(at.run, tested) : undefined;
    const next = () => {
      if (loop !== undefined) return loop.next();
      const step = iterator!.next();
      return step.done ? undefined : step.value;
    };
    let empty = true;
    for (let value = next(); value !== undefined; value = next()) {
      if (loopSlot !== undefined) at.slots[loopSlot] = loop;
      assign(at, value);
      enter(at);
      const leave = body(at);
      // Jinja notes that the loop was not empty at the end of a pass that went through.
      if (leave === undefined) empty = false;
      if (leave === "break") break;
    }
    exit(at);
    if (!empty || node.otherwise.length === 0) return undefined;
    enterOtherwise(at);
    return otherwise(at);
  };
  if (!node.recursive) return (at) => each(at, iterable(at), undefined, 0);
  return (at) => {
    const recursion = (values: Value, level: number): Value =>
      at.run.limits.call(depth, () => at.run.capture(() => void each(new Activation(at.run, at), values, recursion, level)));
    at.run.write(text(at.run, recursion(iterable(at), 0)));
    return undefined;
  };
}

/** `for ... if test`: a generator of the values that pass, in a function of its own. */
function compileLoopTest(frame: Frame, node: For): (at: Activation, values: Value) => Value {
  const names = new ScopeNames(frame.names, new FunctionVariables(frame.names.of));
  readExpression(names, node.target, "parameter");
  readExpression(names, node.test!);
  const inner = innerFrame(frame, names);
  const assign = compileTarget(inner, node.target);
  const test = compileExpression(inner, node.test!);
  const enter = compileEntry(names);
  const shape = (target: Expression, value: Value, run: Activation["run"]): Value =>
    target.kind === "tuple" ? new Tuple(listOf(run, value).map((part, i) => shape(target.items[i]!, part, run))) : value;
  return (outer, values) => {
    const { run } = outer;
    const at = new Activation(run, outer);
    const iterator = iterate(run, values);
    const passing = function* (): Generator<Value> {
      enter(at);
      for (let step = iterator.next(); !step.done; step = iterator.next()) {
        assign(at, step.value);
        if (isTrue(test(at))) yield shape(node.target, step.value, run);
      }
    };
    return new Iterating(passing());
  };
}
