/**
 * Regular expressions from a checkpoint, matched in time proportional to pattern times name.
 *
 * A `quantization_config` selects modules by Python `re.match`: anchored at the start, not at the end. The
 * patterns are untrusted, and the engines' own `RegExp` backtracks: one short pattern can keep it busy for
 * years. Here a pattern becomes a small program whose states are all followed at once (Thompson's
 * construction), so there is nothing to blow up.
 *
 * Supported: literals, `.`, `\d \w \s` and their complements, escaped punctuation, classes `[a-z]` `[^...]`,
 * groups `(...)` and `(?:...)`, `|`, `* + ? {m} {m,} {m,n}` (a lazy or possessive suffix changes nothing here
 * but is only read as lazy), `^`, `$`.
 */

const MAX_PATTERN_LENGTH = 8192;
/** Bounds the work per character of a name, and what nested `{m,n}` may expand to. */
const MAX_STEPS = 20_000;
const MAX_GROUP_DEPTH = 50;

type Instruction =
  | { kind: "char"; accepts: (char: string) => boolean }
  | { kind: "split"; targets: readonly number[] }
  | { kind: "start" } // succeeds at the start of the name
  | { kind: "end" }; // succeeds at its end

/** A pattern's meaning before it has addresses. */
type Node =
  | { kind: "char"; accepts: (char: string) => boolean }
  | { kind: "start" }
  | { kind: "end" }
  | { kind: "sequence"; nodes: readonly Node[] }
  | { kind: "either"; branches: readonly Node[] }
  | { kind: "repeat"; node: Node; min: number; max: number };

/**
 * @returns a predicate with the meaning of Python's `re.match(pattern, name) is not None`
 * @throws SyntaxError if the pattern is malformed, too long, or uses anything beyond the list above
 */
export function compileModulePattern(pattern: string): (name: string) => boolean {
  if (pattern.length > MAX_PATTERN_LENGTH) {
    throw new SyntaxError(`pattern: got ${pattern.length} characters, need at most ${MAX_PATTERN_LENGTH}`);
  }
  const program = new PatternCompiler().compile(new PatternParser(pattern).parse());
  return (name) => run(program, name);
}

/**
 * Follows every state at once; arriving behind the last instruction is a match, wherever the name goes on.
 */
function run(program: readonly Instruction[], name: string): boolean {
  // The position, plus 1, at which a state was last reached: a state is followed once at each.
  const reached = new Int32Array(program.length);
  let [current, next]: [number[], number[]] = [[], []];
  const pending: number[] = [];
  const follow = (states: number[], state: number, position: number): boolean => {
    pending.push(state);
    for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
      if (at === program.length) return true;
      if (reached[at] === position + 1) continue;
      reached[at] = position + 1;
      const instruction = program[at]!;
      if (instruction.kind === "char") states.push(at);
      else if (instruction.kind === "split") pending.push(...instruction.targets);
      else if (instruction.kind === "start" && position === 0) pending.push(at + 1);
      else if (instruction.kind === "end" && position === name.length) pending.push(at + 1);
    }
    return false;
  };
  if (follow(current, 0, 0)) return true;
  for (let i = 0; i < name.length && current.length > 0; i++) {
    const char = name[i]!;
    for (const state of current) {
      const instruction = program[state]!;
      if (instruction.kind === "char" && instruction.accepts(char) && follow(next, state + 1, i + 1)) return true;
    }
    [current, next] = [next, current];
    next.length = 0;
  }
  return false;
}

class PatternCompiler {
  readonly #program: Instruction[] = [];
  #steps = 0;

  compile(node: Node): readonly Instruction[] {
    this.#emit(node);
    return this.#program;
  }

  #emit(node: Node): void {
    // Counts visits rather than instructions: copies of an empty group cost time too.
    if (++this.#steps > MAX_STEPS) throw new SyntaxError(`pattern: got more than ${MAX_STEPS} steps, need at most that`);
    switch (node.kind) {
      case "sequence":
        for (const child of node.nodes) this.#emit(child);
        return;
      case "either":
        this.#emitEither(node.branches);
        return;
      case "repeat":
        this.#emitRepeat(node.node, node.min, node.max);
        return;
      default:
        this.#program.push(node);
    }
  }

  /** A split to each branch; every branch ends with a jump behind all of them. */
  #emitEither(branches: readonly Node[]): void {
    const split = this.#reserve();
    const starts: number[] = [];
    const jumps: number[] = [];
    for (const branch of branches) {
      starts.push(this.#program.length);
      this.#emit(branch);
      jumps.push(this.#reserve());
    }
    this.#program[split] = { kind: "split", targets: starts };
    for (const jump of jumps) this.#program[jump] = { kind: "split", targets: [this.#program.length] };
  }

  /** The mandatory copies, then either a loop or the optional copies, each of which may leave. */
  #emitRepeat(node: Node, min: number, max: number): void {
    for (let i = 0; i < min; i++) this.#emit(node);
    if (max === Infinity) {
      const split = this.#reserve();
      this.#emit(node);
      this.#program[this.#reserve()] = { kind: "split", targets: [split] };
      this.#program[split] = { kind: "split", targets: [split + 1, this.#program.length] };
      return;
    }
    const leaves: number[] = [];
    for (let i = min; i < max; i++) {
      leaves.push(this.#reserve());
      this.#emit(node);
    }
    for (const leave of leaves) this.#program[leave] = { kind: "split", targets: [leave + 1, this.#program.length] };
  }

  /** The address of a split whose targets are not known yet. */
  #reserve(): number {
    return this.#program.push({ kind: "split", targets: [] }) - 1;
  }
}

const CLASSES: Readonly<Record<string, (char: string) => boolean>> = {
  d: (char) => char >= "0" && char <= "9",
  w: (char) => /^\w$/.test(char),
  s: (char) => " \t\n\r\f\v".includes(char),
};
const PUNCTUATION = /^[^A-Za-z0-9]$/;

/** Recursive descent: either := sequence ("|" sequence)*; sequence := (atom quantifier?)*. */
class PatternParser {
  readonly #pattern: string;
  #at = 0;
  #depth = 0;

  constructor(pattern: string) {
    this.#pattern = pattern;
  }

  parse(): Node {
    const node = this.#either();
    if (this.#at < this.#pattern.length) throw this.#error("an unmatched )", "( before it");
    return node;
  }

  #either(): Node {
    const branches = [this.#sequence()];
    while (this.#take("|")) branches.push(this.#sequence());
    return branches.length === 1 ? branches[0]! : { kind: "either", branches };
  }

  #sequence(): Node {
    const nodes: Node[] = [];
    while (this.#at < this.#pattern.length && !"|)".includes(this.#pattern[this.#at]!))
      nodes.push(this.#quantified(this.#atom()));
    return { kind: "sequence", nodes };
  }

  #atom(): Node {
    const char = this.#next();
    switch (char) {
      case ".":
        return { kind: "char", accepts: (c) => c !== "\n" };
      case "^":
        return { kind: "start" };
      case "$":
        return { kind: "end" };
      case "[":
        return { kind: "char", accepts: this.#class() };
      case "\\":
        return { kind: "char", accepts: this.#escape() };
      case "(":
        return this.#group();
      case "*":
      case "+":
      case "?":
      case "{":
        throw this.#error(`"${char}" with nothing before it`, "something to repeat");
      default:
        return { kind: "char", accepts: (c) => c === char };
    }
  }

  #group(): Node {
    if (this.#take("?") && !this.#take(":")) throw this.#error("a group of another kind", "(...) or (?:...)");
    if (++this.#depth > MAX_GROUP_DEPTH) throw this.#error(`groups nested more than ${MAX_GROUP_DEPTH} deep`, "at most that");
    const node = this.#either();
    if (!this.#take(")")) throw this.#error("no )", "one that ends the group");
    this.#depth--;
    return node;
  }

  #quantified(node: Node): Node {
    const bounds = this.#bounds();
    if (!bounds) return node;
    if (node.kind === "start" || node.kind === "end") throw this.#error("a repeated anchor", "it once");
    this.#take("?"); // lazy: matters for what is captured, not for whether there is a match
    if ("*+?{".includes(this.#pattern[this.#at] ?? " ")) throw this.#error("two quantifiers in a row", "one");
    return { kind: "repeat", node, min: bounds[0], max: bounds[1] };
  }

  #bounds(): readonly [min: number, max: number] | undefined {
    if (this.#take("*")) return [0, Infinity];
    if (this.#take("+")) return [1, Infinity];
    if (this.#take("?")) return [0, 1];
    if (!this.#take("{")) return undefined;
    const [text, min, comma, max] = /^(\d{1,3})(,?)(\d{0,3})\}/.exec(this.#pattern.slice(this.#at, this.#at + 8)) ?? [];
    if (text === undefined || (comma === "" && max !== ""))
      throw this.#error("other braces", "{m}, {m,} or {m,n} with numbers below 1000");
    this.#at += text.length;
    const bounds = [Number(min), max === "" ? (comma ? Infinity : Number(min)) : Number(max)] as const;
    if (bounds[0] > bounds[1]) throw this.#error("a range {m,n} that runs backwards", "m at most n");
    return bounds;
  }

  /** Reads on after a backslash. */
  #escape(): (char: string) => boolean {
    const char = this.#next();
    const inClass = CLASSES[char];
    if (inClass) return inClass;
    const complement = CLASSES[char.toLowerCase()];
    if (complement) return (c) => !complement(c);
    if (!PUNCTUATION.test(char)) throw this.#error(`escape \\${char}`, "\\d, \\w, \\s, \\D, \\W, \\S or escaped punctuation");
    return (c) => c === char;
  }

  /** Reads on after an opening bracket. */
  #class(): (char: string) => boolean {
    const negated = this.#take("^");
    const members: ((char: string) => boolean)[] = [];
    do {
      const char = this.#next();
      if (char === "\\") members.push(this.#escape());
      else if (this.#pattern[this.#at] === "-" && this.#pattern[this.#at + 1] !== "]") {
        this.#at++;
        const last = this.#next();
        if (last === "\\" || last < char)
          throw this.#error("a character range that runs backwards or ends in an escape", "one from a character to a later one");
        members.push((c) => c >= char && c <= last);
      } else members.push((c) => c === char);
    } while (!this.#take("]"));
    return (char) => members.some((member) => member(char)) !== negated;
  }

  #next(): string {
    const char = this.#pattern[this.#at];
    if (char === undefined) throw this.#error("the end", "more");
    this.#at++;
    return char;
  }

  #take(char: string): boolean {
    if (this.#pattern[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  #error(got: string, need: string): SyntaxError {
    return new SyntaxError(`character ${this.#at}: got ${got}, need ${need}`);
  }
}
