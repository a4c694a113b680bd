/** The syntax tree of a template: Jinja's own, so that names find their scopes by its rules (`scopes.ts`). */
import { MOST_OPERATORS, TemplateSyntaxError } from "../limits.ts";
import type { Value } from "../values/values.ts";

export interface Arguments {
  readonly positional: readonly Expression[];
  readonly named: readonly (readonly [string, Expression])[];
  /** `*list` and `**dict`. */
  readonly list: Expression | undefined;
  readonly dict: Expression | undefined;
}

export type BinaryOperator = "+" | "-" | "*" | "/" | "//" | "%" | "**";
export type Comparison = "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "not in";

export type Name = { readonly kind: "name"; readonly name: string };
/** `name.attribute` as what `set` assigns to. */
export type NamespaceTarget = { readonly kind: "namespace"; readonly name: string; readonly attribute: string };
export type Slice = { readonly kind: "slice"; readonly parts: readonly (Expression | undefined)[] };
export type Call = {
  readonly kind: "call";
  readonly callee: Expression;
  readonly arguments: Arguments;
  readonly line: number;
};
export type Filter = {
  readonly kind: "filter";
  /** Undefined where a block is filtered. */
  readonly operand: Expression | undefined;
  readonly name: string;
  readonly arguments: Arguments;
  readonly line: number;
};

export type Expression = (
  | Name
  | NamespaceTarget
  | Slice
  | Call
  | Filter
  | { readonly kind: "constant"; readonly value: Value }
  | { readonly kind: "tuple" | "list" | "concat"; readonly items: readonly Expression[] }
  | { readonly kind: "dict"; readonly pairs: readonly (readonly [Expression, Expression])[] }
  | { readonly kind: "binary"; readonly operator: BinaryOperator; readonly left: Expression; readonly right: Expression }
  | { readonly kind: "and" | "or"; readonly left: Expression; readonly right: Expression }
  | { readonly kind: "unary"; readonly operator: "not" | "-" | "+"; readonly operand: Expression }
  | { readonly kind: "compare"; readonly first: Expression; readonly rest: readonly (readonly [Comparison, Expression])[] }
  | { readonly kind: "attribute"; readonly object: Expression; readonly name: string }
  | { readonly kind: "item"; readonly object: Expression; readonly key: Expression }
  | {
      readonly kind: "test";
      readonly operand: Expression;
      readonly name: string;
      readonly arguments: Arguments;
      readonly line: number;
    }
  | {
      readonly kind: "condition";
      readonly test: Expression;
      readonly value: Expression;
      readonly otherwise: Expression | undefined;
    }
) & { depth?: number };

export interface Signature {
  readonly parameters: readonly string[];
  /** What the last parameters are if nothing is given. */
  readonly defaults: readonly Expression[];
}

export type For = {
  readonly kind: "for";
  readonly target: Expression;
  readonly iterable: Expression;
  readonly test: Expression | undefined;
  readonly recursive: boolean;
  readonly body: readonly Statement[];
  readonly otherwise: readonly Statement[];
  readonly line: number;
};
/** A macro, the body of a `call`, or of a `generation`, which transformers reads as one. */
export type Macro = {
  readonly kind: "macro";
  readonly name: string | undefined;
  readonly signature: Signature;
  readonly body: readonly Statement[];
  readonly line: number;
};

export type Statement =
  | { readonly kind: "output"; readonly parts: readonly (string | Expression)[] }
  | { readonly kind: "set"; readonly target: Expression; readonly value: Expression }
  | {
      readonly kind: "setblock";
      readonly target: Expression;
      readonly filter: Expression | undefined;
      readonly body: readonly Statement[];
    }
  | For
  | Macro
  | {
      readonly kind: "if";
      readonly branches: readonly { readonly test: Expression; readonly body: readonly Statement[] }[];
      readonly otherwise: readonly Statement[];
    }
  | {
      readonly kind: "with";
      readonly targets: readonly Expression[];
      readonly values: readonly Expression[];
      readonly body: readonly Statement[];
    }
  | { readonly kind: "call"; readonly call: Call | undefined; readonly macro: Macro }
  | { readonly kind: "filterblock"; readonly filter: Expression; readonly body: readonly Statement[] }
  | {
      readonly kind: "block";
      readonly name: string;
      readonly required: boolean;
      readonly body: readonly Statement[];
      readonly line: number;
    }
  | { readonly kind: "break" | "continue"; readonly line: number };

/** The expressions inside one, in the order in which Jinja visits them. */
export function operandsOf(node: Expression): readonly Expression[] {
  const given = (...nodes: (Expression | undefined)[]) => nodes.filter((one) => one !== undefined);
  switch (node.kind) {
    case "tuple":
    case "list":
    case "concat":
      return node.items;
    case "dict":
      return node.pairs.flat();
    case "binary":
    case "and":
    case "or":
      return [node.left, node.right];
    case "unary":
      return [node.operand];
    case "compare":
      return [node.first, ...node.rest.map(([, operand]) => operand)];
    case "attribute":
      return [node.object];
    case "item":
      return [node.object, node.key];
    case "slice":
      return given(...node.parts);
    case "call":
      return [node.callee, ...argumentsOf(node.arguments)];
    case "filter":
    case "test":
      return [...given(node.operand), ...argumentsOf(node.arguments)];
    case "condition":
      return given(node.test, node.value, node.otherwise);
    default:
      return [];
  }
}

function argumentsOf({ positional, named, list, dict }: Arguments): Expression[] {
  return [...positional, ...named.map(([, value]) => value), list, dict].filter((one) => one !== undefined);
}

/**
 * The same node, with its depth counted.
 *
 * @throws TemplateSyntaxError if it is deeper than what may be evaluated
 */
export function measured<T extends Expression>(node: T, line: number): T {
  const depth = operandsOf(node).reduce((most, operand) => Math.max(most, operand.depth ?? 1), 0) + 1;
  if (depth > MOST_OPERATORS)
    throw new TemplateSyntaxError(`line ${line}: got an expression nested more than ${MOST_OPERATORS} deep, need at most that`);
  node.depth = depth;
  return node;
}
