/**
 * Regular expressions of a model file, in time proportional to the text.
 *
 * Engines' own `RegExp` backtracks: `(a+)+$` keeps it busy for years on thirty letters. Here all ways through
 * a pattern are followed at once, in the order in which backtracking would try them (Pike's machine), so what
 * is found is the same.
 */
import { compileNode, type Ahead, type Instruction } from "./pattern-program.ts";
import { parseRegExp } from "./reg-exp-syntax.ts";

/**
 * Steps per character of a text. A match may be followed to the end of the text and be short all the same,
 * each time anew; patterns in use take less than 50.
 */
const MOST_STEPS = 500;
/** Added to the steps of a text, so that short ones are never refused. */
const FREE_STEPS = 1_000_000;

/** Instructions followed at one place, in order of preference, and where the match through each began. */
interface Threads {
  readonly at: number[];
  readonly starts: number[];
}

export class LinearPattern {
  readonly #program: readonly Instruction[];
  readonly #aheads: readonly Ahead[];
  /** For each instruction, the last round it was followed in. */
  readonly #rounds: Int32Array;
  #round = 0;
  #stepsLeft = 0;

  /**
   * @param source JavaScript's syntax with the flag `u`
   * @throws SyntaxError if the pattern is malformed, too large, or uses back references, looks further than
   *   one character, or repeats without end what may be empty
   */
  constructor(source: string) {
    const { program, aheads } = compileNode(parseRegExp(source));
    this.#program = program;
    this.#aheads = aheads;
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
    for (const ahead of this.#aheads) {
      ahead.found = new Uint8Array(text.length + 1);
      this.#lookAhead(ahead, text);
    }
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
      } else if (instruction.kind === "look" || instruction.kind === "ahead") {
        if (holds(instruction, text, place)) pending.push(at + 1);
      } else {
        threads.at.push(at);
        threads.starts.push(start);
      }
    }
  }

  /**
   * Finds for each place whether what is looked for ahead begins there, from the end of the text to its
   * start: an instruction leads to a match if it takes the character there and the next one leads to a match
   * behind it.
   */
  #lookAhead({ program, found }: Ahead, text: string): void {
    let here = new Uint8Array(program.length);
    let later = new Uint8Array(program.length);
    for (let place = text.length; place >= 0 && this.#stepsLeft >= 0; place--) {
      const char = text.codePointAt(place);
      // Inside of a surrogate pair nothing begins.
      if (place > 0 && codePointBefore(text, place + 1)! > 0xffff) continue;
      here.fill(0);
      // Loops lead backwards, so what they lead to is known after another round.
      for (let isDone = false; !isDone;) {
        isDone = true;
        for (let at = program.length - 1; at >= 0; at--) {
          if (here[at] === 1 || !this.#leads(program[at]!, { at, here, later, char, text, place })) continue;
          here[at] = 1;
          isDone = false;
        }
        this.#stepsLeft -= program.length;
      }
      found[place] = here[0]!;
      [here, later] = [later, here];
    }
  }

  #leads(instruction: Instruction, { at, here, later, char, text, place }: Backwards): boolean {
    switch (instruction.kind) {
      case "match":
        return true;
      case "char":
        return char !== undefined && later[at + 1] === 1 && instruction.accepts(char);
      case "split":
        return instruction.targets.some((target) => here[target] === 1);
      default:
        return here[at + 1] === 1 && holds(instruction, text, place);
    }
  }
}

/** What is known at a place when a text is read from its end. */
interface Backwards {
  readonly at: number;
  /** For each instruction whether it leads to a match from here. */
  readonly here: Uint8Array;
  /** The same behind the character that is here. */
  readonly later: Uint8Array;
  readonly char: number | undefined;
  readonly text: string;
  readonly place: number;
}

/** Whether what is looked at is as it should be. */
function holds(instruction: Instruction & { kind: "look" | "ahead" }, text: string, place: number): boolean {
  if (instruction.kind === "ahead") return (instruction.ahead.found[place] === 1) !== instruction.negative;
  const char = instruction.behind ? codePointBefore(text, place) : text.codePointAt(place);
  return (char !== undefined && instruction.accepts(char)) !== instruction.negative;
}

function codePointBefore(text: string, place: number): number | undefined {
  if (place === 0) return undefined;
  const pair = place > 1 ? text.codePointAt(place - 2)! : 0;
  return pair > 0xffff ? pair : text.charCodeAt(place - 1);
}
