/** Tags of templates: Jinja's, `break` and `continue`, and transformers' `generation`. */
import { MOST_TAGS, NotCarriedOut, TemplateSyntaxError } from "../limits.ts";
import { type Token, tokenize } from "./lexer.ts";
import type { Call, Expression, For, Macro, Signature, Statement } from "./nodes.ts";
import { ExpressionParser } from "./parse-expression.ts";
import { TokenStream } from "./token-stream.ts";

/** Tags of Jinja that need other templates, or change what printing means. */
const REFUSED: ReadonlySet<string> = new Set(["include", "import", "from", "extends", "autoescape"]);

/**
 * Parses a template.
 *
 * @throws TemplateSyntaxError for what Jinja does not accept, NotCarriedOut for a tag that it does
 */
export function parseTemplate(source: string): readonly Statement[] {
  return new TemplateParser(tokenize(source)).statements([], { line: 1, text: "template" });
}

class TemplateParser {
  readonly #stream: TokenStream;
  readonly #expressions: ExpressionParser;
  #open = 0;
  /** Loops around this place that `break` could end, in the function Jinja makes of it. */
  #loops = 0;

  constructor(tokens: readonly Token[]) {
    this.#stream = new TokenStream(tokens);
    this.#expressions = new ExpressionParser(this.#stream);
  }

  /**
   * Statements up to a tag of `ends`, which is the current token then.
   *
   * @param opener for messages: the tag they stand in
   */
  statements(ends: readonly string[], opener: { readonly line: number; readonly text: string }): Statement[] {
    if (++this.#open > MOST_TAGS)
      throw new TemplateSyntaxError(`line ${opener.line}: got tags nested more than ${MOST_TAGS} deep, need at most that`);
    const body: Statement[] = [];
    let parts: (string | Expression)[] = [];
    const flush = () => {
      if (parts.length > 0) body.push({ kind: "output", parts });
      parts = [];
    };
    for (;;) {
      const { kind, text } = this.#stream.current;
      if (kind === "end") {
        if (ends.length > 0) this.#stream.fail(`{% ${ends.at(-1)} %} for the ${opener.text} of line ${opener.line}`);
        break;
      }
      this.#stream.next();
      if (kind === "data") parts.push(text);
      else if (kind === "variable_begin") {
        parts.push(this.#expressions.tuple());
        this.#stream.expect("variable_end");
      } else {
        flush();
        if (this.#stream.isName(...ends)) break;
        body.push(this.#statement());
        this.#stream.expect("block_end");
      }
    }
    flush();
    this.#open--;
    return body;
  }

  #statement(): Statement {
    const tag = this.#stream.current;
    if (tag.kind !== "name") this.#stream.fail("the name of a tag");
    if (REFUSED.has(tag.text)) throw new NotCarriedOut(`line ${tag.line}: the tag {% ${tag.text} %}`);
    const parse = this.#tags[tag.text];
    if (parse === undefined) this.#stream.fail("a tag that Jinja knows");
    this.#stream.next();
    return parse(tag);
  }

  readonly #tags: Readonly<Record<string, (tag: Token) => Statement>> = Object.assign(
    Object.create(null) as Record<string, (tag: Token) => Statement>,
    {
      set: (tag: Token) => this.#set(tag),
      for: (tag: Token) => this.#for(tag),
      if: (tag: Token) => this.#if(tag),
      with: (tag: Token) => this.#with(tag),
      macro: (tag: Token) => this.#macro(tag),
      call: (tag: Token) => this.#callBlock(tag),
      filter: (tag: Token) => this.#filterBlock(tag),
      block: (tag: Token) => this.#block(tag),
      print: () => this.#print(),
      break: (tag: Token) => this.#leave("break", tag),
      continue: (tag: Token) => this.#leave("continue", tag),
      generation: (tag: Token): Statement => ({
        kind: "call",
        call: undefined,
        macro: this.#function(tag, undefined, { parameters: [], defaults: [] }, "endgeneration"),
      }),
    },
  );

  /** The body of a tag, its end included. */
  #body(tag: Token, ...ends: readonly [string, ...string[]]): Statement[] {
    this.#stream.skipOperator(":");
    this.#stream.expect("block_end");
    return this.statements(ends, tag);
  }

  #closed(tag: Token, end: string): Statement[] {
    const body = this.#body(tag, end);
    this.#stream.next();
    return body;
  }

  #set(tag: Token): Statement {
    const target = this.#target(this.#expressions.tuple({ targets: "namespace" }));
    if (this.#stream.skipOperator("=")) return { kind: "set", target, value: this.#expressions.tuple() };
    const filter = this.#expressions.filters(undefined);
    return { kind: "setblock", target, filter, body: this.#closed(tag, "endset") };
  }

  #for(tag: Token): For {
    const target = this.#target(this.#expressions.tuple({ targets: true, until: "in" }));
    if (!this.#stream.skipName("in")) this.#stream.fail("'in'");
    const iterable = this.#expressions.tuple({ conditions: false, until: "recursive" });
    const test = this.#stream.skipName("if") ? this.#expressions.expression() : undefined;
    const recursive = this.#stream.skipName("recursive");
    const outer = this.#loops;
    this.#loops = (recursive ? 0 : outer) + 1;
    // CPython's compiler has room for so many blocks inside each other.
    if (this.#loops > 20)
      throw new TemplateSyntaxError(`line ${tag.line}: got more than 20 loops inside each other, need at most that`);
    const body = this.#body(tag, "endfor", "else");
    this.#loops--;
    const otherwise = this.#stream.next().text === "else" ? this.#closed(tag, "endfor") : [];
    this.#loops = outer;
    return { kind: "for", target, iterable, test, recursive, body, otherwise, line: tag.line };
  }

  #if(tag: Token): Statement {
    const branches: { test: Expression; body: Statement[] }[] = [];
    for (;;) {
      const test = this.#expressions.tuple({ conditions: false });
      branches.push({ test, body: this.#body(tag, "elif", "else", "endif") });
      const end = this.#stream.next().text;
      if (end === "elif") continue;
      return { kind: "if", branches, otherwise: end === "else" ? this.#closed(tag, "endif") : [] };
    }
  }

  #with(tag: Token): Statement {
    const targets: Expression[] = [];
    const values: Expression[] = [];
    while (this.#stream.current.kind !== "block_end") {
      if (targets.length > 0) this.#stream.expectOperator(",");
      targets.push(this.#target(this.#expressions.tuple({ targets: true })));
      this.#stream.expectOperator("=");
      values.push(this.#expressions.expression());
    }
    return { kind: "with", targets, values, body: this.#closed(tag, "endwith") };
  }

  #macro(tag: Token): Macro {
    const name = this.#storedName();
    return this.#function(tag, name, this.#signature(), "endmacro");
  }

  #callBlock(tag: Token): Statement {
    const signature = this.#stream.isOperator("(") ? this.#signature() : { parameters: [], defaults: [] };
    const call = this.#expressions.expression();
    if (call.kind !== "call") this.#stream.fail("a call");
    return { kind: "call", call: call as Call, macro: this.#function(tag, undefined, signature, "endcall") };
  }

  #function(tag: Token, name: string | undefined, signature: Signature, end: string): Macro {
    const outer = this.#loops;
    this.#loops = 0;
    const body = this.#closed(tag, end);
    this.#loops = outer;
    return { kind: "macro", name, signature, body, line: tag.line };
  }

  #signature(): Signature {
    const parameters: string[] = [];
    const defaults: Expression[] = [];
    this.#stream.expectOperator("(");
    while (!this.#stream.isOperator(")")) {
      if (parameters.length > 0) this.#stream.expectOperator(",");
      const name = this.#storedName();
      if (parameters.includes(name)) this.#stream.fail(`the parameter '${name}' once`);
      if (this.#stream.skipOperator("=")) defaults.push(this.#expressions.expression());
      else if (defaults.length > 0) this.#stream.fail("a default as the parameters before have");
      parameters.push(name);
    }
    this.#stream.next();
    return { parameters, defaults };
  }

  #filterBlock(tag: Token): Statement {
    const filter = this.#expressions.filters(undefined, true)!;
    return { kind: "filterblock", filter, body: this.#closed(tag, "endfilter") };
  }

  #block(tag: Token): Statement {
    const name = this.#stream.expectName();
    if (this.#stream.isName("scoped")) throw new NotCarriedOut(`line ${tag.line}: the tag {% block %} that is scoped`);
    const required = this.#stream.skipName("required");
    const outer = this.#loops;
    this.#loops = 0;
    const body = this.#closed(tag, "endblock");
    this.#loops = outer;
    this.#stream.skipName(name);
    const empty = body.every(
      (one) => one.kind === "output" && one.parts.every((part) => typeof part === "string" && part.trim() === ""),
    );
    if (required && !empty) this.#stream.fail("a required block without content");
    return { kind: "block", name, required, body, line: tag.line };
  }

  #print(): Statement {
    const parts: Expression[] = [];
    while (this.#stream.current.kind !== "block_end") {
      if (parts.length > 0) this.#stream.expectOperator(",");
      parts.push(this.#expressions.expression());
    }
    return { kind: "output", parts };
  }

  #leave(kind: "break" | "continue", tag: Token): Statement {
    if (this.#loops === 0) throw new TemplateSyntaxError(`line ${tag.line}: got {% ${kind} %} outside of a loop, need it in one`);
    return { kind, line: tag.line };
  }

  #storedName(): string {
    const name = this.#stream.expectName();
    if (["true", "True", "false", "False", "none", "None"].includes(name)) this.#stream.fail("a name that is no constant");
    return name;
  }

  /** What can be assigned to: a name, an attribute of a namespace, or a tuple of those. */
  #target(node: Expression): Expression {
    const assignable = (one: Expression): boolean =>
      one.kind === "name" || one.kind === "namespace" || (one.kind === "tuple" && one.items.every(assignable));
    if (!assignable(node)) this.#stream.fail("a name to assign to before this");
    return node;
  }
}
