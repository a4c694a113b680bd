/**
 * Regular expressions of a model file, in time proportional to the text.
 *
 * Engines' own `RegExp` backtracks: `(a+)+$` keeps it busy for years on thirty letters. Here all ways through
 * a pattern are followed at once, in the order in which backtracking would try them (Pike's machine), so what
 * is found is the same.
 */
import { parseRegExp, type Accepts, type Node } from "./reg-exp-syntax.ts";

/** Bounds what nested `{m,n}` may expand to, and the work per character. */
const MOST_INSTRUCTIONS = 20_000;
/**
 * Steps per character of a text. A match may be followed to the end of the text and be short all the same,
 * each time anew; patterns in use take less than 50.
 */
const MOST_STEPS = 500;
/** Added to the steps of a text, so that short ones are never refused. */
const FREE_STEPS = 1_000_000;

type Instruction =
  | { readonly kind: "char"; readonly accepts: Accepts }
  | { readonly kind: "look"; readonly accepts: Accepts; readonly behind: boolean; readonly negative: boolean }
  /** Goes on at each target, the first preferred. */
  | { kind: "split"; targets: readonly number[] }
  | { readonly kind: "match" };

/** Instructions followed at one place, in order of preference, and where the match through each began. */
interface Threads {
  readonly at: number[];
  readonly starts: number[];
}

export class LinearPattern {
  readonly #program: Instruction[] = [];
  /** For each instruction, the last round it was followed in. */
  readonly #rounds: Int32Array;
  #round = 0;
  #visits = 0;
  #stepsLeft = 0;

  /**
   * @param source JavaScript's syntax with the flag `u`
   * @throws SyntaxError if the pattern is malformed, too large, or uses back references, looks further than
   *   one character, or repeats without end what may be empty
   */
  constructor(source: string) {
    this.#emit(parseRegExp(source));
    this.#program.push({ kind: "match" });
    this.#rounds = new Int32Array(this.#program.length);
  }

  /**
   * Finds matches from the start of a text to its end.
   * @returns start and end of each, one after the other
   * @throws RangeError if this takes too many steps
   */
  matches(text: string): number[] {
    const found: number[] = [];
    const most = FREE_STEPS + MOST_STEPS * text.length;
    this.#stepsLeft = most;
    this.#rounds.fill(0);
    this.#round = 0;
    let lastEnd = -1;
    for (let from = 0; from <= text.length;) {
      const match = this.#search(text, from);
      if (this.#stepsLeft < 0) throw new RangeError(`more than ${most} steps for ${text.length} characters`);
      if (match === undefined) break;
      const [start, end] = match;
      // As in Oniguruma, nothing is matched where a match has just ended.
      if (start !== end || start !== lastEnd) found.push(start, end);
      lastEnd = end;
      from = end > start ? end : end + (text.codePointAt(end)! > 0xffff ? 2 : 1);
    }
    return found;
  }

  /** The leftmost match from a place on, and of those the preferred. */
  #search(text: string, from: number): readonly [start: number, end: number] | undefined {
    let match: readonly [number, number] | undefined;
    let threads: Threads = { at: [], starts: [] };
    this.#round++;
    this.#follow(threads, text, 0, from, from);
    for (let place = from; this.#stepsLeft >= 0;) {
      const char = text.codePointAt(place);
      const after = place + (char !== undefined && char > 0xffff ? 2 : 1);
      const next: Threads = { at: [], starts: [] };
      this.#round++;
      for (const [i, at] of threads.at.entries()) {
        const instruction = this.#program[at]!;
        const start = threads.starts[i]!;
        if (instruction.kind === "match") {
          match = [start, place];
          break; // What comes behind is not preferred.
        }
        if (char !== undefined && instruction.kind === "char" && instruction.accepts(char))
          this.#follow(next, text, at + 1, start, after);
      }
      if (char === undefined) break;
      place = after;
      if (match === undefined) this.#follow(next, text, 0, place, place);
      else if (next.at.length === 0) break;
      threads = next;
    }
    return match;
  }

  /** Adds an instruction, or those it leads to without reading a character. */
  #follow(threads: Threads, text: string, first: number, start: number, place: number): void {
    const pending = [first];
    for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
      this.#stepsLeft--;
      if (this.#rounds[at] === this.#round) continue;
      this.#rounds[at] = this.#round;
      const instruction = this.#program[at]!;
      if (instruction.kind === "split") {
        for (let i = instruction.targets.length - 1; i >= 0; i--) pending.push(instruction.targets[i]!);
      } else if (instruction.kind === "look") {
        const char = instruction.behind ? codePointBefore(text, place) : text.codePointAt(place);
        if ((char !== undefined && instruction.accepts(char)) !== instruction.negative) pending.push(at + 1);
      } else {
        threads.at.push(at);
        threads.starts.push(start);
      }
    }
  }

  #emit(node: Node): void {
    // Counts visits rather than instructions: copies of an empty group cost time too.
    if (++this.#visits > MOST_INSTRUCTIONS) throw new SyntaxError(`more than ${MOST_INSTRUCTIONS} steps`);
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

function codePointBefore(text: string, place: number): number | undefined {
  if (place === 0) return undefined;
  const pair = place > 1 ? text.codePointAt(place - 2)! : 0;
  return pair > 0xffff ? pair : text.charCodeAt(place - 1);
}
