/**
 * A pattern as a program: each instruction takes a character, looks at one, or goes on at others (Thompson's
 * construction). `linear-pattern.ts` runs it.
 */
import type { Accepts, Node } from "./reg-exp-syntax.ts";

/** Bounds what nested `{m,n}` may expand to, and the work per character. */
const MOST_INSTRUCTIONS = 20_000;

export type Instruction =
  | { readonly kind: "char"; readonly accepts: Accepts }
  | { readonly kind: "look"; readonly accepts: Accepts; readonly behind: boolean; readonly negative: boolean }
  | { readonly kind: "ahead"; readonly ahead: Ahead; readonly negative: boolean }
  /** Goes on at each target, the first preferred. */
  | { kind: "split"; targets: readonly number[] }
  | { readonly kind: "match" };

/** What is looked for ahead, by a program of its own. */
export interface Ahead {
  readonly program: readonly Instruction[];
  /** For each place of the text at hand whether it is there; found before the text is searched. */
  found: Uint8Array;
}

export interface CompiledPattern {
  readonly program: readonly Instruction[];
  /** Those inside of others come first. */
  readonly aheads: readonly Ahead[];
}

/** @throws SyntaxError if the program would be too large */
export function compileNode(node: Node): CompiledPattern {
  const compiler = new PatternCompiler({ visits: 0 }, []);
  const program = compiler.compile(node);
  return { program, aheads: compiler.aheads };
}

class PatternCompiler {
  readonly #program: Instruction[] = [];
  readonly #spent: { visits: number };
  readonly aheads: Ahead[];

  constructor(spent: { visits: number }, aheads: Ahead[]) {
    this.#spent = spent;
    this.aheads = aheads;
  }

  compile(node: Node): readonly Instruction[] {
    this.#emit(node);
    this.#program.push({ kind: "match" });
    return this.#program;
  }

  #emit(node: Node): void {
    // Counts visits rather than instructions: copies of an empty group cost time too.
    if (++this.#spent.visits > MOST_INSTRUCTIONS) throw new SyntaxError(`more than ${MOST_INSTRUCTIONS} steps`);
    switch (node.kind) {
      case "sequence":
        for (const child of node.nodes) this.#emit(child);
        return;
      case "either":
        this.#emitEither(node.branches);
        return;
      case "repeat":
        this.#emitRepeat(node);
        return;
      case "ahead": {
        const ahead = { program: new PatternCompiler(this.#spent, this.aheads).compile(node.node), found: new Uint8Array() };
        this.aheads.push(ahead);
        this.#program.push({ kind: "ahead", ahead, negative: node.negative });
        return;
      }
      default:
        this.#program.push(node);
    }
  }

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

  /** The copies that must be, then a loop or the copies that may be. */
  #emitRepeat({ node, min, max, isLazy }: Node & { kind: "repeat" }): void {
    const choice = (stay: number, leave: number): Instruction => ({
      kind: "split",
      targets: isLazy ? [leave, stay] : [stay, leave],
    });
    for (let i = 0; i < min; i++) this.#emit(node);
    if (max === Infinity) {
      const split = this.#reserve();
      this.#emit(node);
      this.#program[this.#reserve()] = { kind: "split", targets: [split] };
      this.#program[split] = choice(split + 1, this.#program.length);
      return;
    }
    const leaves: number[] = [];
    for (let i = min; i < max; i++) {
      leaves.push(this.#reserve());
      this.#emit(node);
    }
    for (const leave of leaves) this.#program[leave] = choice(leave + 1, this.#program.length);
  }

  /** The address of a split whose targets are not known yet. */
  #reserve(): number {
    return this.#program.push({ kind: "split", targets: [] }) - 1;
  }
}
