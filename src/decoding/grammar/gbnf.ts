/**
 * GBNF, llama.cpp's notation of grammars (`grammars/README.md` there):
 *
 *     root   ::= "yes" | "no" | [0-9]{1,3} ("." digit+)?   # a comment
 *     digit  ::= [0-9]
 *
 * Texts in double quotes, classes of characters, `.` for any character, groups, `|`, and `* + ? {m,n}`.
 */
import { OptionError } from "../../errors.ts";
import { choiceOf, type Grammar, NONE, regularOf, repeatOf, type Rule, ruleOf, sequenceOf } from "./grammar.ts";
import { ALL_CODE_POINTS, type CodePoints, LAST_CODE_POINT, utf8Character, without } from "./regular/code-points.ts";
import { text } from "./regular/regular.ts";

const MOST_CHARACTERS = 2 ** 16;
const DEEPEST_GROUP = 50;
/** Times a part may be repeated; llama.cpp's limit. */
const MOST_REPETITIONS = 2000;
const ROOT = "root";

/** @throws OptionError naming the line where it is malformed, and rules that are not there */
export function gbnfGrammar(source: string, where: string): Grammar {
  if (typeof source !== "string") throw new OptionError(`${where}: got ${typeof source}, need a text`);
  if (source.length > MOST_CHARACTERS)
    throw new OptionError(`${where}: got ${source.length} characters, need at most ${MOST_CHARACTERS}`);
  return new Parser(source, where).parse();
}

const NAME = /[A-Za-z0-9_-]+/y;
const SPACE = /(?:[ \t]|#[^\n]*)*/y;
const LINES = /(?:\s|#[^\n]*)*/y;
const DEFINES = /::=/y;
const QUANTIFIER = /[*+?]|\{\s*(\d+)\s*(,?)\s*(\d*)\s*\}/y;
const CHARACTER = /\\(?:x([\dA-Fa-f]{2})|u([\dA-Fa-f]{4})|U([\dA-Fa-f]{8})|([tnr"\\[\]]))|[^\\\n]/uy;
const ESCAPES: Readonly<Record<string, string>> = { t: "\t", n: "\n", r: "\r" };

/** Recursive descent: rule := name "::=" alternatives; alternatives := sequence ("|" sequence)*. */
class Parser {
  readonly #source: string;
  readonly #where: string;
  readonly #rules = new Map<string, Rule>();
  readonly #defined = new Set<string>();
  #at = 0;
  #depth = 0;

  constructor(source: string, where: string) {
    this.#source = source;
    this.#where = where;
  }

  parse(): Grammar {
    this.#take(LINES);
    while (this.#at < this.#source.length) {
      const name = this.#take(NAME)?.[0] ?? this.#refuse("the name of a rule");
      this.#take(SPACE);
      if (!this.#take(DEFINES)) this.#refuse("::=");
      this.#take(LINES);
      if (this.#defined.has(name)) this.#refuse(`one rule ${name}`);
      this.#defined.add(name);
      this.#rule(name).body = this.#alternatives();
      this.#take(LINES);
    }
    const missing = [...this.#rules.keys(), ROOT].find((name) => !this.#defined.has(name));
    if (missing !== undefined) throw new OptionError(`${this.#where}: got no rule ${missing}, need one`);
    return ruleOf(this.#rule(ROOT));
  }

  #rule(name: string): Rule {
    let rule = this.#rules.get(name);
    if (!rule) this.#rules.set(name, (rule = { name, body: NONE }));
    return rule;
  }

  #alternatives(): Grammar {
    const branches = [this.#sequence()];
    for (;;) {
      this.#skip();
      if (this.#source[this.#at] !== "|") return choiceOf(...branches);
      this.#at++;
      this.#take(LINES);
      branches.push(this.#sequence());
    }
  }

  #sequence(): Grammar {
    const parts: Grammar[] = [];
    for (;;) {
      this.#skip();
      const part = this.#part();
      if (!part) return parts.length === 1 ? parts[0]! : sequenceOf(...parts);
      parts.push(this.#quantified(part));
    }
  }

  /** A part goes on over lines inside of a group, and where the next line begins with `|`. */
  #skip(): void {
    this.#take(this.#depth > 0 ? LINES : SPACE);
    const begin = this.#at;
    this.#take(LINES);
    if (this.#source[this.#at] !== "|") this.#at = begin;
  }

  #part(): Grammar | undefined {
    const next = this.#source[this.#at];
    switch (next) {
      case '"':
        return this.#literal();
      case "[":
        return regularOf(utf8Character(this.#class()));
      case ".":
        this.#at++;
        return regularOf(utf8Character(ALL_CODE_POINTS));
      case "(":
        return this.#group();
    }
    const name = this.#take(NAME)?.[0];
    return name === undefined ? undefined : ruleOf(this.#rule(name));
  }

  #group(): Grammar {
    this.#at++;
    if (++this.#depth > DEEPEST_GROUP) this.#refuse(`groups nested at most ${DEEPEST_GROUP} deep`);
    this.#take(LINES);
    const grammar = this.#alternatives();
    this.#take(LINES);
    if (this.#source[this.#at] !== ")") this.#refuse(")");
    this.#at++;
    this.#depth--;
    return grammar;
  }

  #literal(): Grammar {
    this.#at++;
    let value = "";
    while (this.#source[this.#at] !== '"') value += this.#character('a text that ends with "');
    this.#at++;
    return regularOf(text(value));
  }

  #class(): CodePoints {
    this.#at++;
    const isNegated = this.#source[this.#at] === "^";
    if (isNegated) this.#at++;
    const found: [number, number][] = [];
    while (this.#source[this.#at] !== "]") {
      const from = this.#character("a class that ends with ]").codePointAt(0)!;
      const isRange = this.#source[this.#at] === "-" && this.#source[this.#at + 1] !== "]";
      if (isRange) this.#at++;
      const to = isRange ? this.#character("the end of a range").codePointAt(0)! : from;
      if (to < from) this.#refuse("a range that does not go down");
      found.push([from, to]);
    }
    this.#at++;
    return isNegated ? without(ALL_CODE_POINTS, found) : found;
  }

  #character(needed: string): string {
    const found = this.#take(CHARACTER);
    if (!found) return this.#refuse(needed);
    const [character, x, u, U, escape] = found;
    const code = x ?? u ?? U;
    if (code !== undefined) {
      const codePoint = Number.parseInt(code, 16);
      if (codePoint > LAST_CODE_POINT) this.#refuse("a character there is");
      return String.fromCodePoint(codePoint);
    }
    return escape === undefined ? character : (ESCAPES[escape] ?? escape);
  }

  #quantified(part: Grammar): Grammar {
    let grammar = part;
    for (;;) {
      this.#take(SPACE);
      const found = this.#take(QUANTIFIER);
      if (!found) return grammar;
      const [quantifier, least, comma, most] = found;
      const min = least === undefined ? Number(quantifier === "+") : Number(least);
      const open = quantifier === "?" ? 1 : Infinity;
      const max = least === undefined ? open : most !== "" ? Number(most) : comma === "," ? Infinity : min;
      if (min > max || min > MOST_REPETITIONS || (max > MOST_REPETITIONS && max !== Infinity))
        this.#refuse(`at most ${MOST_REPETITIONS} repetitions, the fewest first`);
      grammar = repeatOf(grammar, min, max);
    }
  }

  #take(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#source);
    if (found) this.#at += found[0].length;
    return found;
  }

  #refuse(needed: string): never {
    const line = this.#source.slice(0, this.#at).split("\n").length;
    const found = JSON.stringify(this.#source.slice(this.#at, this.#at + 16));
    throw new OptionError(`${this.#where}: line ${line}: got ${found}, need ${needed}`);
  }
}
