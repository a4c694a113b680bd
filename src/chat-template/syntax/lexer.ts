/**
 * A template's text as tokens: text, tags and expressions, with Jinja's rules of white space: `trim_blocks`
 * and `lstrip_blocks` as transformers sets them, `-` and `+` in tags, newlines as \n, the last one dropped.
 *
 * The rules of https://jinja.palletsprojects.com/en/stable/templates/#whitespace-control.
 */
import { MOST_SOURCE, TemplateSyntaxError } from "../limits.ts";
import { unescape } from "./string-literal.ts";
import { trimEnd, WHITE } from "./white-space.ts";

export interface Token {
  readonly kind: "data" | "block_begin" | "block_end" | "variable_begin" | "variable_end" | Lexeme | "end";
  /** The text, a name, an operator or the value of a string; a number as it is written. */
  readonly text: string;
  readonly line: number;
}
type Lexeme = "name" | "string" | "integer" | "float" | "operator";

const space = (pattern: string) => pattern.replaceAll("\\s", `[${WHITE}]`);
const RAW = new RegExp(space(String.raw`\{%([-+]?)\s*raw\s*(?:-%\}\s*|%\})`), "y");
const RAW_END = new RegExp(space(String.raw`\{%([-+]?)\s*endraw\s*(?:\+%\}|-%\}\s*|%\}\n?)`), "y");
const COMMENT_END = new RegExp(space(String.raw`\+#\}|-#\}\s*|#\}\n?`), "g");
const BLOCK_END = new RegExp(space(String.raw`\+%\}|-%\}\s*|%\}\n?`), "y");
const VARIABLE_END = new RegExp(space(String.raw`-\}\}\s*|\}\}`), "y");
const WHITE_RUN = new RegExp(space(String.raw`\s+`), "y");
const LEXEMES: readonly (readonly [Lexeme, RegExp])[] = [
  ["float", /(?<!\.)(?:\d+_)*\d+(?:(?:\.(?:\d+_)*\d+)?e[+-]?(?:\d+_)*\d+|\.(?:\d+_)*\d+)/iy],
  ["integer", /0b(?:_?[01])+|0o(?:_?[0-7])+|0x(?:_?[\da-f])+|[1-9](?:_?\d)*|0(?:_?0)*/iy],
  ["name", /[\p{L}\p{N}\p{M}\p{Pc}]+/uy],
  ["string", /'[^'\\]*(?:\\[^][^'\\]*)*'|"[^"\\]*(?:\\[^][^"\\]*)*"/y],
  ["operator", /\/\/|\*\*|==|!=|>=|<=|[-+/*%~[\](){}><=.:|,;]/y],
];
const CLOSING: Readonly<Record<string, string>> = { "{": "}", "(": ")", "[": "]" };

/** @throws TemplateSyntaxError */
export function tokenize(template: string): Token[] {
  if (template.length > MOST_SOURCE)
    throw new TemplateSyntaxError(`got ${template.length} characters, need at most ${MOST_SOURCE}`);
  return new Lexer(template.replaceAll(/\r\n?/g, "\n").replace(/\n$/, "")).tokens();
}

class Lexer {
  readonly #source: string;
  readonly #tokens: Token[] = [];
  #at = 0;
  #line = 1;
  /** Tells whether what was read last ended a line, so that a tag comes first in its own. */
  #lineStarts = true;

  constructor(source: string) {
    this.#source = source;
  }

  tokens(): Token[] {
    while (this.#at < this.#source.length) this.#text();
    this.#push("end", "");
    return this.#tokens;
  }

  /** Text, and the tag after it. */
  #text(): void {
    const source = this.#source;
    const begin = this.#at;
    let at = begin;
    do at = source.indexOf("{", at) + 1;
    while (at > 0 && !"%{#".includes(source[at] ?? "."));
    if (at === 0) {
      this.#push("data", source.slice(begin));
      this.#advance(source.length);
      return;
    }
    const tag = at - 1;
    const kind = source[at];
    const raw = this.#match(RAW, tag);
    const sign = raw?.[1] ?? /[-+]/y.exec(source.slice(at + 1, at + 2))?.[0] ?? "";
    this.#data(source.slice(begin, tag), sign, kind !== "{");
    this.#advance(raw ? tag + raw[0].length : tag + 2 + sign.length);
    if (raw) this.#raw();
    else if (kind === "#") this.#comment();
    else this.#code(kind === "%" ? "block" : "variable");
  }

  #data(text: string, sign: string, strips: boolean): void {
    let kept = text;
    if (sign === "-") kept = trimEnd(text);
    else if (sign !== "+" && strips) {
      const line = text.lastIndexOf("\n") + 1;
      if ((line > 0 || this.#lineStarts) && trimEnd(text.slice(line)) === "") kept = text.slice(0, line);
    }
    if (kept !== "") this.#push("data", kept);
    this.#advance(this.#at + text.length);
  }

  #raw(): void {
    for (let at = this.#source.indexOf("{%", this.#at); at >= 0; at = this.#source.indexOf("{%", at + 1)) {
      const end = this.#match(RAW_END, at);
      if (end === null) continue;
      this.#data(this.#source.slice(this.#at, at), end[1]!, true);
      this.#advance(at + end[0].length);
      return;
    }
    this.#fail("Missing end of raw directive");
  }

  #comment(): void {
    COMMENT_END.lastIndex = this.#at;
    const end = COMMENT_END.exec(this.#source);
    if (end === null) this.#fail("Missing end of comment tag");
    this.#advance(end.index + end[0].length);
  }

  #code(kind: "block" | "variable"): void {
    this.#push(`${kind}_begin`, "");
    const open: string[] = [];
    const ends = kind === "block" ? BLOCK_END : VARIABLE_END;
    while (this.#at < this.#source.length) {
      const end = open.length === 0 ? this.#match(ends, this.#at) : null;
      if (end !== null) {
        this.#push(`${kind}_end`, "");
        this.#advance(this.#at + end[0].length);
        return;
      }
      const white = this.#match(WHITE_RUN, this.#at);
      if (white === null) this.#lexeme(open);
      else this.#advance(this.#at + white[0].length);
    }
  }

  #lexeme(open: string[]): void {
    for (const [kind, pattern] of LEXEMES) {
      const text = this.#match(pattern, this.#at)?.[0];
      if (text === undefined) continue;
      if (kind === "operator") {
        if (text in CLOSING) open.push(CLOSING[text]!);
        else if (")]}".includes(text)) {
          const expected = open.pop();
          if (expected !== text) this.#fail(`unexpected '${text}'${expected === undefined ? "" : `, expected '${expected}'`}`);
        }
      }
      if (kind === "name" && !/^[\p{ID_Start}_]\p{ID_Continue}*$/u.test(text)) this.#fail("Invalid character in identifier");
      this.#push(kind, kind === "string" ? unescape(text.slice(1, -1), (problem) => this.#fail(problem)) : text);
      this.#advance(this.#at + text.length);
      return;
    }
    this.#fail(`unexpected char '${this.#source[this.#at]}'`);
  }

  #match(pattern: RegExp, at: number): RegExpExecArray | null {
    pattern.lastIndex = at;
    return pattern.exec(this.#source);
  }

  #advance(to: number): void {
    for (let i = this.#at; i < to; i++) if (this.#source[i] === "\n") this.#line++;
    if (to > this.#at) this.#lineStarts = this.#source[to - 1] === "\n";
    this.#at = to;
  }

  #push(kind: Token["kind"], text: string): void {
    this.#tokens.push({ kind, text, line: this.#line });
  }

  #fail(problem: string): never {
    throw new TemplateSyntaxError(`line ${this.#line}: ${problem}`);
  }
}
