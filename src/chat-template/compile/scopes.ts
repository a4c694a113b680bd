/**
 * Which variable a name means. Jinja decides that before it renders: every loop, macro and block is a scope,
 * and a scope looks up, copies from outside or leaves empty each name once, when it is entered. So a name
 * that is set later in a scope is empty before, even if there is one outside.
 *
 * The rules of `jinja2/idtracking.py`, where an `if` is no scope of its own.
 */
import { TemplateSyntaxError } from "../limits.ts";
import { type Expression, operandsOf, type Statement } from "../syntax/nodes.ts";

/** What a variable begins as when its scope is entered. */
export type Load =
  | { readonly kind: "parameter" }
  | { readonly kind: "empty" }
  | { readonly kind: "lookup"; readonly name: string }
  | { readonly kind: "copy"; readonly from: Variable };

/** A place in the variables of a function: the template, a macro, a block or a recursive loop. */
export interface Variable {
  readonly of: FunctionVariables;
  readonly slot: number;
}

/** The variables of one function. */
export class FunctionVariables {
  readonly depth: number;
  readonly #slots = new Map<string, Variable>();

  constructor(outer: FunctionVariables | undefined) {
    this.depth = outer === undefined ? 0 : outer.depth + 1;
  }

  get size(): number {
    return this.#slots.size;
  }

  /** Scopes beside each other share a place, as in the code Jinja makes. */
  at(level: number, name: string): Variable {
    const key = `${level} ${name}`;
    const known = this.#slots.get(key) ?? { of: this, slot: this.#slots.size };
    this.#slots.set(key, known);
    return known;
  }
}

export class ScopeNames {
  readonly level: number;
  readonly of: FunctionVariables;
  readonly #outer: ScopeNames | undefined;
  #variables = new Map<string, Variable>();
  #loads = new Map<Variable, Load>();
  #stores = new Set<string>();

  constructor(outer: ScopeNames | undefined, of: FunctionVariables) {
    this.#outer = outer;
    this.of = of;
    this.level = outer === undefined ? 0 : outer.level + 1;
  }

  loads(): readonly (readonly [Variable, Load])[] {
    return [...this.#loads];
  }

  find(name: string): Variable | undefined {
    return this.#variables.get(name) ?? this.#outer?.find(name);
  }

  variable(name: string): Variable {
    const found = this.find(name);
    // Jinja fails on names in the filter of a set block that stand nowhere else.
    if (found === undefined)
      throw new TemplateSyntaxError(`got the name '${name}' where Jinja does not look for names, need it set before`);
    return found;
  }

  /** Whether a variable is a parameter, which Jinja reads without asking if it has a value. */
  isParameter(variable: Variable): boolean {
    const load = this.#loads.get(variable);
    return load === undefined ? (this.#outer?.isParameter(variable) ?? false) : load.kind === "parameter";
  }

  parameter(name: string): Variable {
    this.#stores.add(name);
    return this.#define(name, { kind: "parameter" });
  }

  store(name: string): void {
    this.#stores.add(name);
    if (this.#variables.has(name)) return;
    const from = this.#outer?.find(name);
    this.#define(name, from === undefined ? { kind: "empty" } : { kind: "copy", from });
  }

  load(name: string): void {
    if (this.find(name) === undefined) this.#define(name, { kind: "lookup", name });
  }

  /** Reads the branches of an `if`, each beginning with the names known so far. */
  branches(...readers: readonly ((branch: ScopeNames) => void)[]): void {
    const branches = readers.map((read) => {
      const branch = new ScopeNames(this.#outer, this.of);
      branch.#variables = new Map(this.#variables);
      branch.#loads = new Map(this.#loads);
      branch.#stores = new Set(this.#stores);
      read(branch);
      return branch;
    });
    const before = new Set(this.#stores);
    for (const branch of branches) {
      for (const [name, variable] of branch.#variables) this.#variables.set(name, variable);
      for (const [variable, load] of branch.#loads) this.#loads.set(variable, load);
      for (const name of branch.#stores) this.#stores.add(name);
    }
    for (const name of this.#stores) {
      if (before.has(name)) continue;
      const from = this.#outer?.find(name);
      this.#loads.set(this.variable(name), from === undefined ? { kind: "lookup", name } : { kind: "copy", from });
    }
  }

  #define(name: string, load: Load): Variable {
    const variable = this.of.at(this.level, name);
    this.#variables.set(name, variable);
    this.#loads.set(variable, load);
    return variable;
  }
}

export function readStatements(names: ScopeNames, statements: readonly Statement[]): void {
  for (const statement of statements) readStatement(names, statement);
}

/** Names of an expression; those of a target are what it assigns to. */
export function readExpression(names: ScopeNames, node: Expression, role: "load" | "store" | "parameter" = "load"): void {
  if (node.kind === "name") names[role](node.name);
  else if (node.kind === "namespace") names.load(node.name);
  else for (const operand of operandsOf(node)) readExpression(names, operand, role);
}

/** Names of a statement as far as they belong to the scope it stands in. */
function readStatement(names: ScopeNames, node: Statement): void {
  switch (node.kind) {
    case "output":
      for (const part of node.parts) if (typeof part !== "string") readExpression(names, part);
      break;
    case "set":
      readExpression(names, node.value);
      readExpression(names, node.target, "store");
      break;
    case "setblock":
      readExpression(names, node.target, "store");
      break;
    case "for":
      readExpression(names, node.iterable);
      break;
    case "macro":
      names.store(node.name!);
      break;
    case "with":
      for (const value of node.values) readExpression(names, value);
      break;
    case "call":
      if (node.call !== undefined) readExpression(names, node.call);
      break;
    case "filterblock":
      readExpression(names, node.filter);
      break;
    case "if":
      readIf(names, node);
      break;
    default:
  }
}

function readIf(names: ScopeNames, { branches: [first, ...others], otherwise }: Statement & { kind: "if" }): void {
  readExpression(names, first!.test);
  names.branches(
    (branch) => readStatements(branch, first!.body),
    (branch) => {
      for (const { test, body } of others) readIf(branch, { kind: "if", branches: [{ test, body }], otherwise: [] });
    },
    (branch) => readStatements(branch, otherwise),
  );
}

/** Which of the names the statements read before they assign to them, scopes inside included. */
export function undeclared(statements: readonly Statement[], names: readonly string[]): ReadonlySet<string> {
  const sought = new Set(names);
  const found = new Set<string>();
  const expression = (node: Expression | undefined, stores = false): void => {
    if (node === undefined) return;
    if (node.kind === "name") {
      if (!stores && sought.has(node.name)) found.add(node.name);
      else sought.delete(node.name);
    } else for (const operand of operandsOf(node)) expression(operand, stores);
  };
  const signature = (parameters: readonly string[], defaults: readonly Expression[]) => {
    for (const name of parameters) sought.delete(name);
    for (const one of defaults) expression(one);
  };
  const visit = (node: Statement): void => {
    if (node.kind === "output") for (const part of node.parts) expression(typeof part === "string" ? undefined : part);
    else if (node.kind === "block" || node.kind === "break" || node.kind === "continue") return;
    else if (node.kind === "if") {
      for (const { test, body } of node.branches) {
        expression(test);
        body.forEach(visit);
      }
      node.otherwise.forEach(visit);
    } else if (node.kind === "call") {
      expression(node.call);
      visit(node.macro);
    } else {
      if (node.kind === "macro") signature(node.signature.parameters, node.signature.defaults);
      if ("target" in node) expression(node.target, true);
      if (node.kind === "set") expression(node.value);
      if (node.kind === "for") expression(node.iterable);
      if (node.kind === "setblock" || node.kind === "filterblock") expression(node.filter);
      if (node.kind === "with") {
        for (const target of node.targets) expression(target, true);
        for (const value of node.values) expression(value);
      }
      if ("body" in node) node.body.forEach(visit);
      if (node.kind === "for") {
        node.otherwise.forEach(visit);
        expression(node.test);
      }
    }
  };
  statements.forEach(visit);
  return found;
}

/** Tells whether something in the statements assigns to the name. */
export function assigns(statements: readonly Statement[], name: string): boolean {
  const stores = (node: Expression): boolean => (node.kind === "name" ? node.name === name : operandsOf(node).some(stores));
  return statements.some((node) => {
    if ("target" in node && stores(node.target)) return true;
    if (node.kind === "call") return assigns(node.macro.body, name);
    if (node.kind === "if") return [...node.branches.map(({ body }) => body), node.otherwise].some((body) => assigns(body, name));
    return ("body" in node && assigns(node.body, name)) || (node.kind === "for" && assigns(node.otherwise, name));
  });
}
