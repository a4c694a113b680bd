/**
 * Texts in which a regular expression of JavaScript finds something (`pattern` of JSON Schema), as an
 * automaton over the bytes they are spelled with.
 */
import { type Node, parseRegExp } from "../../../tokenizer/patterns/reg-exp-syntax.ts";
import { type Automaton, difference, union } from "./automaton.ts";
import { ALL_CODE_POINTS, type CodePoints, LAST_CODE_POINT, without } from "./code-points.ts";
import { determinize } from "./determinize.ts";
import { either, type Regular, repeat, sequence } from "./regular.ts";

/** How one character of a set is spelled. */
export type Spelling = (set: CodePoints) => Regular;

const LINE_ENDS: CodePoints = [[0x0a, 0x0a], [0x0d, 0x0d], [0x2028, 0x2029]]; // prettier-ignore
/** Classes that have to be asked about each character there is, a tenth of a second each. */
const MOST_SCANS = 4;

/**
 * @param pattern JavaScript's syntax with the flag `u`; anchors where an alternative begins or ends, looking
 *   ahead where it begins
 * @throws SyntaxError for a pattern that is malformed or that no automaton does; RangeError for one that is
 *   too large
 */
export function patternLanguage(pattern: string, spelling: Spelling): Automaton {
  const writer = new PatternWriter(spelling);
  return alternatives(pattern)
    .map((alternative) => writer.language(alternative))
    .reduce(union);
}

class PatternWriter {
  readonly #spelling: Spelling;
  readonly #any: Regular;
  readonly #sets = new Map<string, Regular>();
  #scans = 0;

  constructor(spelling: Spelling) {
    this.#spelling = spelling;
    this.#any = repeat(spelling(ALL_CODE_POINTS), 0);
  }

  language(alternative: string): Automaton {
    const { begins, ends, inner } = anchors(alternative);
    const tree = parseRegExp(inner);
    const nodes = tree.kind === "sequence" ? tree.nodes : [tree];
    const looks = nodes.findIndex(({ kind }) => kind !== "ahead" && kind !== "look");
    const ahead = nodes.slice(0, looks < 0 ? nodes.length : looks);
    if (ahead.length > 0 && !begins) throw new SyntaxError("looking ahead without ^ before it");
    const rest = nodes.slice(ahead.length).map((node) => this.#regular(node));
    const around = [...(begins ? [] : [this.#any]), ...rest, ...(ends ? [] : [this.#any])];
    return ahead.reduce((language, look) => this.#looking(language, look), determinize(sequence(...around)));
  }

  /** The texts of a language that begin, or do not begin, as is looked for. */
  #looking(language: Automaton, look: Node): Automaton {
    if (look.kind !== "ahead" && look.kind !== "look") return language;
    if (look.kind === "look" && look.behind) throw new SyntaxError("looking back");
    const seen =
      look.kind === "ahead" ? this.#regular(look.node) : this.#spelling(scanned((char) => look.accepts(char), this.#scan()));
    const beginning = determinize(sequence(seen, this.#any));
    return look.negative ? difference(language, beginning) : difference(language, difference(language, beginning));
  }

  #regular(node: Node): Regular {
    switch (node.kind) {
      case "char":
        return this.#character(node);
      case "sequence":
        return sequence(...node.nodes.map((part) => this.#regular(part)));
      case "either":
        return either(...node.branches.map((branch) => this.#regular(branch)));
      case "repeat":
        return repeat(this.#regular(node.node), node.min, node.max);
      default:
        throw new SyntaxError("looking around inside of it");
    }
  }

  #character({ atom, accepts }: Extract<Node, { kind: "char" }>): Regular {
    if (atom === "^" || atom === "$") throw new SyntaxError(`${atom} inside of it`);
    const known = this.#sets.get(atom);
    if (known) return known;
    const set = this.#spelling(this.#setOf(atom, accepts));
    this.#sets.set(atom, set);
    return set;
  }

  #setOf(atom: string, accepts: (codePoint: number) => boolean): CodePoints {
    if (atom === ".") return without(ALL_CODE_POINTS, LINE_ENDS);
    const codePoint = atom.codePointAt(0)!;
    if (String.fromCodePoint(codePoint) === atom) return [[codePoint, codePoint]];
    // What is written with ASCII alone says the same of all other characters, but for spaces and properties.
    if (/^[\0-\x7f]*$/.test(atom) && !/\\[pPuxcsS]/.test(atom)) {
      const ascii = scanned(accepts, 0x80);
      return accepts(0x80) ? [...ascii, [0x80, LAST_CODE_POINT]] : ascii;
    }
    return scanned(accepts, this.#scan());
  }

  #scan(): number {
    if (++this.#scans > MOST_SCANS) throw new RangeError(`one of more than ${MOST_SCANS} classes beyond ASCII`);
    return LAST_CODE_POINT + 1;
  }
}

/** Ranges of the characters below `end` that are accepted. */
function scanned(accepts: (codePoint: number) => boolean, end: number): CodePoints {
  const found: [number, number][] = [];
  for (let char = 0; char < end; char++) {
    if (!accepts(char)) continue;
    const last = found.at(-1);
    if (last?.[1] === char - 1) last[1] = char;
    else found.push([char, char]);
  }
  return found;
}

/** The alternatives of a pattern that stand in no group. */
function alternatives(pattern: string): string[] {
  const found = [""];
  let depth = 0;
  for (const [piece] of pattern.matchAll(/\\.|\[(?:[^\]\\]|\\.)*\]|./gsu)) {
    if (piece === "(") depth++;
    if (piece === ")") depth--;
    if (piece === "|" && depth === 0) found.push("");
    else found[found.length - 1] += piece;
  }
  return found;
}

function anchors(alternative: string): { begins: boolean; ends: boolean; inner: string } {
  const begins = alternative.startsWith("^");
  const ends = /(?:^|[^\\])(?:\\\\)*\$$/.test(alternative);
  return { begins, ends, inner: alternative.slice(Number(begins), ends ? -1 : undefined) };
}
