/**
 * Expressions of templates, with the operators and their order as Jinja has them: unlike in Python, `**` goes
 * from the left, `~` binds between `*` and `+`, and a filter binds more tightly than a sign before it.
 */
import { MOST_BRACKETS, TemplateSyntaxError } from "../limits.ts";
import { parseLiteral } from "./literal.ts";
import { type Arguments, type BinaryOperator, type Comparison, type Expression, type Filter, measured } from "./nodes.ts";
import { parseArguments } from "./parse-arguments.ts";
import type { TokenStream } from "./token-stream.ts";

const COMPARISONS: ReadonlySet<string> = new Set(["==", "!=", "<", "<=", ">", ">="]);
const NO_ARGUMENTS: Arguments = { positional: [], named: [], list: undefined, dict: undefined };

/** How a list of expressions without brackets ends, and what stands in it. */
interface TupleForm {
  /** A name that ends it. */
  readonly until?: string;
  readonly conditions?: boolean;
  /** Names and literals only, as what is assigned to; "namespace" allows `a.b`. */
  readonly targets?: boolean | "namespace";
  readonly bracketed?: boolean;
}

export class ExpressionParser {
  readonly stream: TokenStream;
  #open = 0;

  constructor(stream: TokenStream) {
    this.stream = stream;
  }

  expression(conditions = true): Expression {
    const { line } = this.stream.current;
    if (++this.#open > MOST_BRACKETS)
      throw new TemplateSyntaxError(`line ${line}: got brackets nested more than ${MOST_BRACKETS} deep, need at most that`);
    const node = conditions ? this.#condition() : this.#or();
    this.#open--;
    return node;
  }

  /** One expression, or a tuple of those between commas. */
  tuple({ until, conditions = true, targets = false, bracketed = false }: TupleForm = {}): Expression {
    const { stream } = this;
    const items: Expression[] = [];
    let commas = false;
    for (;;) {
      if (items.length > 0) stream.expectOperator(",");
      const { kind } = stream.current;
      if (kind === "variable_end" || kind === "block_end" || stream.isOperator(")")) break;
      if (until !== undefined && stream.isName(until)) break;
      items.push(targets ? this.#primary(targets === "namespace") : this.expression(conditions));
      if (!stream.isOperator(",")) break;
      commas = true;
    }
    if (!commas && items.length === 1) return items[0]!;
    if (items.length === 0 && !bracketed) stream.fail("an expression");
    return this.#made({ kind: "tuple", items });
  }

  arguments(): Arguments {
    return parseArguments(this.stream, () => this.expression());
  }

  /** `| name(...)` as often as it stands there. */
  filters(operand: Expression | undefined, inline = false): Expression | undefined {
    let node = operand;
    for (let begins = inline; begins || this.stream.skipOperator("|"); begins = false) node = this.#filter(node);
    return node;
  }

  #filter(operand: Expression | undefined): Filter {
    const { line } = this.stream.current;
    const name = this.#dottedName();
    const given = this.stream.isOperator("(") ? this.arguments() : NO_ARGUMENTS;
    return this.#made({ kind: "filter", operand, name, arguments: given, line });
  }

  #condition(): Expression {
    let then = this.#or();
    while (this.stream.skipName("if")) {
      const test = this.#or();
      const otherwise = this.stream.skipName("else") ? this.expression() : undefined;
      then = this.#made({ kind: "condition", test, value: then, otherwise });
    }
    return then;
  }

  #or(): Expression {
    let left = this.#and();
    while (this.stream.skipName("or")) left = this.#made({ kind: "or", left, right: this.#and() });
    return left;
  }

  #and(): Expression {
    let left = this.#not();
    while (this.stream.skipName("and")) left = this.#made({ kind: "and", left, right: this.#not() });
    return left;
  }

  #not(): Expression {
    let negations = 0;
    while (this.stream.skipName("not")) negations++;
    let node = this.#compare();
    for (; negations > 0; negations--) node = this.#made({ kind: "unary", operator: "not", operand: node });
    return node;
  }

  #compare(): Expression {
    const first = this.#sum();
    const rest: [Comparison, Expression][] = [];
    for (;;) {
      const operator = this.#comparison();
      if (operator === undefined) break;
      rest.push([operator, this.#sum()]);
    }
    return rest.length === 0 ? first : this.#made({ kind: "compare", first, rest });
  }

  #comparison(): Comparison | undefined {
    const { stream } = this;
    if (stream.current.kind === "operator" && COMPARISONS.has(stream.current.text)) return stream.next().text as Comparison;
    if (stream.skipName("in")) return "in";
    if (!stream.isName("not") || stream.following.kind !== "name" || stream.following.text !== "in") return undefined;
    stream.next();
    stream.next();
    return "not in";
  }

  #sum(): Expression {
    return this.#binary(["+", "-"], () => this.#concat());
  }

  #concat(): Expression {
    const items = [this.#product()];
    while (this.stream.skipOperator("~")) items.push(this.#product());
    return items.length === 1 ? items[0]! : this.#made({ kind: "concat", items });
  }

  #product(): Expression {
    return this.#binary(["*", "/", "//", "%"], () => this.#power());
  }

  #power(): Expression {
    return this.#binary(["**"], () => this.#unary());
  }

  #binary(operators: readonly BinaryOperator[], operand: () => Expression): Expression {
    let left = operand();
    while (this.stream.isOperator(...operators)) {
      const operator = this.stream.next().text as BinaryOperator;
      left = this.#made({ kind: "binary", operator, left, right: operand() });
    }
    return left;
  }

  #unary(filtered = true): Expression {
    const { stream } = this;
    let node: Expression;
    if (stream.isOperator("-", "+")) {
      const operator = stream.next().text as "-" | "+";
      if (++this.#open > MOST_BRACKETS) stream.fail(`at most ${MOST_BRACKETS} signs and brackets inside each other`);
      node = this.#made({ kind: "unary", operator, operand: this.#unary(false) });
      this.#open--;
    } else node = this.#primary();
    node = this.#postfix(node);
    return filtered ? this.#filtersAndTests(node) : node;
  }

  #primary(namespace = false): Expression {
    const { stream } = this;
    const { kind, text } = stream.current;
    const literal = parseLiteral(stream);
    if (literal !== undefined) return { kind: "constant", value: literal };
    if (kind === "name") {
      stream.next();
      if (namespace && stream.skipOperator(".")) return { kind: "namespace", name: text, attribute: stream.expectName() };
      return { kind: "name", name: text };
    }
    if (stream.skipOperator("(")) {
      const node = this.tuple({ bracketed: true });
      stream.expectOperator(")");
      return node;
    }
    if (stream.isOperator("[")) return this.#list();
    if (stream.isOperator("{")) return this.#dict();
    return stream.fail("an expression");
  }

  #list(): Expression {
    const items: Expression[] = [];
    this.#between("[", "]", () => items.push(this.expression()));
    return this.#made({ kind: "list", items });
  }

  #dict(): Expression {
    const pairs: [Expression, Expression][] = [];
    this.#between("{", "}", () => {
      const key = this.expression();
      this.stream.expectOperator(":");
      pairs.push([key, this.expression()]);
    });
    return this.#made({ kind: "dict", pairs });
  }

  #between(open: string, close: string, item: () => void): void {
    this.stream.expectOperator(open);
    for (let first = true; !this.stream.isOperator(close); first = false) {
      if (!first) this.stream.expectOperator(",");
      if (this.stream.isOperator(close)) break;
      item();
    }
    this.stream.expectOperator(close);
  }

  #postfix(operand: Expression): Expression {
    let node = operand;
    for (;;) {
      if (this.stream.isOperator(".", "[")) node = this.#subscript(node);
      else if (this.stream.isOperator("(")) node = this.#call(node);
      else return node;
    }
  }

  #filtersAndTests(operand: Expression): Expression {
    let node = operand;
    for (;;) {
      if (this.stream.skipOperator("|")) node = this.#filter(node);
      else if (this.stream.skipName("is")) node = this.#test(node);
      else if (this.stream.isOperator("(")) node = this.#call(node);
      else return node;
    }
  }

  #call(callee: Expression): Expression {
    const { line } = this.stream.current;
    return this.#made({ kind: "call", callee, arguments: this.arguments(), line });
  }

  #subscript(object: Expression): Expression {
    const { stream } = this;
    if (stream.skipOperator(".")) {
      const { kind, text } = stream.next();
      if (kind === "name") return this.#made({ kind: "attribute", object, name: text });
      if (kind !== "integer") stream.fail("a name or a number after '.'");
      return this.#made({ kind: "item", object, key: { kind: "constant", value: BigInt(text.replaceAll("_", "")) } });
    }
    const keys: Expression[] = [];
    stream.expectOperator("[");
    while (!stream.isOperator("]")) {
      if (keys.length > 0) stream.expectOperator(",");
      keys.push(this.#key());
    }
    if (keys.length > 1 && keys.some(({ kind }) => kind === "slice")) stream.fail("one slice alone");
    stream.expectOperator("]");
    return this.#made({ kind: "item", object, key: keys.length === 1 ? keys[0]! : this.#made({ kind: "tuple", items: keys }) });
  }

  /** An expression or a slice. */
  #key(): Expression {
    const { stream } = this;
    const part = () => (stream.isOperator(":", "]", ",") ? undefined : this.expression());
    const start = part();
    if (start !== undefined && !stream.isOperator(":")) return start;
    stream.expectOperator(":");
    const stop = part();
    return this.#made({ kind: "slice", parts: [start, stop, stream.skipOperator(":") ? part() : undefined] });
  }

  #test(operand: Expression): Expression {
    const { stream } = this;
    const { line } = stream.current;
    const negated = stream.skipName("not");
    const name = this.#dottedName();
    let given = NO_ARGUMENTS;
    if (stream.isOperator("(")) given = this.arguments();
    else if (["name", "string", "integer", "float"].includes(stream.current.kind) || stream.isOperator("[", "{")) {
      if (stream.isName("is")) stream.fail("one test only");
      if (!stream.isName("else", "or", "and")) given = { ...NO_ARGUMENTS, positional: [this.#postfix(this.#primary())] };
    }
    const node: Expression = this.#made({ kind: "test", operand, name, arguments: given, line });
    return negated ? this.#made({ kind: "unary", operator: "not", operand: node }) : node;
  }

  #dottedName(): string {
    let name = this.stream.expectName();
    while (this.stream.skipOperator(".")) name += `.${this.stream.expectName()}`;
    return name;
  }

  #made<T extends Expression>(node: T): T {
    return measured(node, this.stream.current.line);
  }
}
