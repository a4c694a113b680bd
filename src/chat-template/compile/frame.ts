/** Where statements stand: what their scopes begin with, and how they assign to names in them. */
import { compileExpression, type Place, reach } from "./compile-expression.ts";
import { iterate } from "../values/iterate.ts";
import { TemplateError } from "../limits.ts";
import type { Expression, Statement } from "../syntax/nodes.ts";
import type { Activation, Run } from "../run.ts";
import type { ScopeNames } from "./scopes.ts";
import { Namespace, type Value } from "../values/values.ts";

/** Where a statement stands. */
export interface Frame extends Place {
  /** Whether outside of loops and macros: what is assigned there is seen by blocks. */
  readonly top: boolean;
  readonly blocks: Blocks;
}

/** Blocks by name, each a template of its own over what the top has assigned. */
export type Blocks = Map<string, ((run: Run) => void) | undefined>;
export type Leave = "break" | "continue" | undefined;
/** Writes, and says if a loop is to be left. */
export type Execute = (at: Activation) => Leave;
export type Assign = (at: Activation, value: Value) => void;

/** Variables of a scope as they are when it is entered. */
export function compileEntry(names: ScopeNames): (at: Activation) => void {
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
export function compileExit(names: ScopeNames): (at: Activation) => void {
  const slots = names.loads().map(([{ slot }]) => slot);
  return (at) => {
    for (const slot of slots) at.slots[slot] = undefined;
  };
}

export function compileTarget(frame: Frame, target: Expression): Assign {
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

function unpack(run: Run, value: Value, count: number): readonly Value[] {
  const iterator = iterate(run, value);
  const values: Value[] = [];
  for (let step = iterator.next(); !step.done; step = iterator.next()) {
    if (values.length === count) throw new TemplateError(`too many values to unpack (expected ${count})`);
    values.push(step.value);
  }
  if (values.length < count) throw new TemplateError(`not enough values to unpack (expected ${count}, got ${values.length})`);
  return values;
}

export function innerFrame(frame: Frame, names: ScopeNames): Frame {
  return { names, conditional: false, top: false, blocks: frame.blocks };
}

/** Levels of a body, for counting how deep calls in calls go. */
export function depthOf(statements: readonly Statement[]): number {
  return statements.reduce((most, node) => {
    const bodies =
      node.kind === "if" ? [...node.branches.map(({ body }) => body), node.otherwise] : "body" in node ? [node.body] : [];
    const expressions =
      node.kind === "output" ? node.parts.map((part) => (typeof part === "string" ? 0 : (part.depth ?? 1))) : [3];
    return Math.max(most, 2 + Math.max(0, ...bodies.map(depthOf), ...expressions));
  }, 2);
}
