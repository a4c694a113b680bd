/**
 * The syntax of a JavaScript regular expression with the flag `u`, as far as a machine that looks at one
 * character at a time can follow it: characters, classes, groups, `|`, repetitions, and looking at the
 * character before or behind.
 *
 * Whether a character belongs to an atom such as `[^\s\p{L}]` is asked of `RegExp`: one character against one
 * class cannot take long.
 */
export type Accepts = (codePoint: number) => boolean;

export type Node =
  /** `atom`: how it is written. */
  | { readonly kind: "char"; readonly accepts: Accepts; readonly atom: string }
  | { readonly kind: "look"; readonly accepts: Accepts; readonly behind: boolean; readonly negative: boolean }
  /** Looks ahead at more than one character. */
  | { readonly kind: "ahead"; readonly node: Node; readonly negative: boolean }
  | { readonly kind: "sequence"; readonly nodes: readonly Node[] }
  | { readonly kind: "either"; readonly branches: readonly Node[] }
  | { readonly kind: "repeat"; readonly node: Node; readonly min: number; readonly max: number; readonly isLazy: boolean };

const MOST_CHARACTERS = 2 ** 14;
const DEEPEST_GROUP = 50;
const MOST_COPIES = 1000;

/** @throws SyntaxError if the pattern is malformed, too long, or uses anything beyond the list above */
export function parseRegExp(source: string): Node {
  if (source.length > MOST_CHARACTERS) throw new SyntaxError(`more than ${MOST_CHARACTERS} characters`);
  return new Parser(source).parse();
}

/** The set a pattern is if it always takes exactly one character; undefined for others. */
export function singleCharacter(node: Node): Accepts | undefined {
  switch (node.kind) {
    case "char":
      return node.accepts;
    case "either": {
      const sets = node.branches.map(singleCharacter);
      return sets.includes(undefined) ? undefined : (char) => sets.some((set) => set!(char));
    }
    case "sequence": {
      // Looking ahead at the same character makes an intersection.
      const [last, ...looks] = node.nodes.toReversed();
      const set = last && singleCharacter(last);
      if (set === undefined || !looks.every((look) => look.kind === "look" && !look.behind)) return undefined;
      const all = looks as (Node & { kind: "look" })[];
      return (char) => set(char) && all.every(({ accepts, negative }) => accepts(char) !== negative);
    }
    default:
      return undefined;
  }
}

/** Whether a pattern may match without taking a character. */
export function mayBeEmpty(node: Node): boolean {
  switch (node.kind) {
    case "char":
      return false;
    case "look":
    case "ahead":
      return true;
    case "sequence":
      return node.nodes.every(mayBeEmpty);
    case "either":
      return node.branches.some(mayBeEmpty);
    case "repeat":
      return node.min === 0 || mayBeEmpty(node.node);
  }
}

/** One atom: a class, an escape or a character. */
const ATOM =
  /\[(?:[^\]\\]|\\.)*\]|\\(?:[pP]\{[^}]*\}|u\{[^}]*\}|u[dD][89abAB]..\\u[dD][c-fC-F]..|u.{4}|x..|c.|[^1-9bBk])|[^\\]/suy;
const QUANTIFIER = /(?:[*+?]|\{(\d{1,6})(,?)(\d{0,6})\})(\??)/y;
const GROUP = /\((?:\?(?::|<?[=!]))?/y;

/** Recursive descent: either := sequence ("|" sequence)*; sequence := (atom quantifier?)*. */
class Parser {
  readonly #source: string;
  readonly #atoms = new Map<string, Accepts>();
  #at = 0;
  #depth = 0;

  constructor(source: string) {
    this.#source = source;
  }

  parse(): Node {
    const node = this.#either();
    if (this.#at < this.#source.length) throw new SyntaxError("an unmatched )");
    return node;
  }

  #either(): Node {
    const branches = [this.#sequence()];
    while (this.#source[this.#at] === "|") {
      this.#at++;
      branches.push(this.#sequence());
    }
    return branches.length === 1 ? branches[0]! : { kind: "either", branches };
  }

  #sequence(): Node {
    const nodes: Node[] = [];
    while (this.#at < this.#source.length && !"|)".includes(this.#source[this.#at]!)) {
      const node = this.#source[this.#at] === "(" ? this.#group() : this.#atom();
      nodes.push(this.#quantified(node));
    }
    return nodes.length === 1 ? nodes[0]! : { kind: "sequence", nodes };
  }

  #group(): Node {
    const opening = this.#take(GROUP)![0];
    if (this.#source[this.#at] === "?") throw new SyntaxError("a group of another kind than (...), (?:...) and looking");
    if (++this.#depth > DEEPEST_GROUP) throw new SyntaxError(`groups nested more than ${DEEPEST_GROUP} deep`);
    const node = this.#either();
    if (this.#source[this.#at++] !== ")") throw new SyntaxError("a group that does not end");
    this.#depth--;
    if (opening === "(" || opening === "(?:") return node;
    const accepts = singleCharacter(node);
    const negative = opening.endsWith("!");
    if (accepts === undefined && !opening.includes("<")) return { kind: "ahead", node, negative };
    if (accepts === undefined) throw new SyntaxError("looking back at more than one character");
    return { kind: "look", accepts, behind: opening.includes("<"), negative };
  }

  #quantified(node: Node): Node {
    const found = this.#take(QUANTIFIER);
    if (found === null) return node;
    const [text, least, comma, most, lazy] = found;
    const min = least === undefined ? (text.startsWith("+") ? 1 : 0) : Number(least);
    const unbounded = most === "" ? (comma === "," ? Infinity : min) : Number(most);
    const max = least === undefined ? (text.startsWith("?") ? 1 : Infinity) : unbounded;
    if (min > MOST_COPIES || (max > MOST_COPIES && max !== Infinity) || min > max)
      throw new SyntaxError(`the repetition ${text}`);
    // Engines disagree on whether a repetition may end with an empty one.
    if (node.kind === "look" || node.kind === "ahead" || (max > min && mayBeEmpty(node)))
      throw new SyntaxError("a repetition of what may be empty");
    return { kind: "repeat", node, min, max, isLazy: lazy === "?" };
  }

  #atom(): Node {
    const found = this.#take(ATOM);
    if (found === null || "*+?{}".includes(found[0])) throw new SyntaxError(`${this.#source.slice(this.#at, this.#at + 8)}`);
    const [atom] = found;
    let accepts = this.#atoms.get(atom);
    if (accepts === undefined) this.#atoms.set(atom, (accepts = membership(atom)));
    return { kind: "char", accepts, atom };
  }

  #take(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#source);
    if (found !== null) this.#at += found[0].length;
    return found;
  }
}

/** Below it, what a class says of a character is remembered. */
const REMEMBERED = 0x800;

function membership(atom: string): Accepts {
  const regex = new RegExp(`^${atom}$`, "u");
  const known = new Int8Array(REMEMBERED);
  return (char) => {
    if (char >= REMEMBERED) return regex.test(String.fromCodePoint(char));
    if (known[char] === 0) known[char] = regex.test(String.fromCodePoint(char)) ? 1 : -1;
    return known[char] === 1;
  };
}
