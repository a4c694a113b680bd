/** Tokens one after the other, as a parser reads them. */
import { TemplateSyntaxError } from "../limits.ts";
import type { Token } from "./lexer.ts";

export class TokenStream {
  readonly #tokens: readonly Token[];
  #at = 0;

  /** @param tokens the last of them an "end" */
  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  get current(): Token {
    return this.#tokens[this.#at]!;
  }

  get following(): Token {
    return this.#tokens[Math.min(this.#at + 1, this.#tokens.length - 1)]!;
  }

  next(): Token {
    const token = this.current;
    if (token.kind !== "end") this.#at++;
    return token;
  }

  isName(...names: readonly string[]): boolean {
    return this.current.kind === "name" && names.includes(this.current.text);
  }

  isOperator(...operators: readonly string[]): boolean {
    return this.current.kind === "operator" && operators.includes(this.current.text);
  }

  skipName(name: string): boolean {
    return this.isName(name) && this.next() !== undefined;
  }

  skipOperator(operator: string): boolean {
    return this.isOperator(operator) && this.next() !== undefined;
  }

  expectName(): string {
    if (this.current.kind !== "name") this.fail("a name");
    return this.next().text;
  }

  expectOperator(operator: string): void {
    if (!this.skipOperator(operator)) this.fail(`'${operator}'`);
  }

  expect(kind: Token["kind"]): void {
    if (this.current.kind !== kind) this.fail(kind === "block_end" ? "the end of the tag" : "the end of the expression");
    this.next();
  }

  /** @param need what would be right here */
  fail(need: string): never {
    const { kind, text, line } = this.current;
    const got = kind === "end" ? "the end of the template" : text === "" ? kind.replace("_", " ") : `'${text}'`;
    throw new TemplateSyntaxError(`line ${line}: got ${got}, need ${need}`);
  }
}
