/**
 * Reads texts by a program, byte by byte. Where a text has got to is a set of stacks, as in llama.cpp: the
 * place that reads on top, below it where to go on after each rule. Stacks and sets of them exist once each,
 * and remember what comes of each byte; so what has been read before, in this text or another, is a look-up.
 */
import { OptionError } from "../../errors.ts";
import type { Grammar } from "./grammar.ts";
import { compileProgram, type Place, type Program } from "./program.ts";
import { type Automaton, type ByteClasses, classesFrom, goesOn, step } from "./regular/automaton.ts";

interface Stack {
  readonly id: number;
  readonly place: number;
  /**
   * The state of the automaton of the top. Below it the times a repetition has been gone through when what is
   * above ends, or 0 for a place that is gone on to then.
   */
  readonly count: number;
  /** Undefined at the bottom. */
  readonly below: Stack | undefined;
}

/** Where a text has got to. */
export interface Position {
  /** Whether the text may end here. */
  readonly isEnd: boolean;
  /** Whether it may go on. */
  readonly goesOn: boolean;
  /** @internal */
  readonly stacks: readonly Stack[];
  /** @internal By class of bytes; undefined for those not asked for yet. */
  readonly next: (Position | null | undefined)[];
}

/** Ways to read one text: `("a"|"aa"){0,5000}` has thousands. */
const MOST_STACKS = 1000;
/** Places gone through between two bytes, some of them inside of each other. */
const MOST_PLACES = 3000;
/** Stacks and positions that are remembered; then it begins anew, and only takes longer. */
const MOST_REMEMBERED = 50_000;

/** A way to read a text: an automaton, its state, and what follows it. */
export interface Way {
  readonly automaton: Automaton;
  readonly state: number;
  /** The position of a text that is read in this way only. */
  readonly alone: Position;
  /** Whether nothing follows it. */
  readonly isLast: boolean;
}

export class Recognizer {
  readonly start: Position;
  /** Bytes that no position tells apart. */
  readonly classes: ByteClasses;
  /** Stacks followed so far, a measure of work. */
  work = 0;
  readonly #places: readonly Place[];
  #stacks = new Map<string, Stack>();
  #positions = new Map<string, Position>();
  #ids = 0;

  constructor({ places, start }: Program) {
    this.#places = places;
    const automata = new Set(places.flatMap((place) => (place.kind === "read" ? [place.automaton] : [])));
    const of = [...new Set(Array.from(automata, ({ classes }) => classes.of))];
    this.classes = classesFrom((byte) => of.map((classes) => classes[byte]).join());
    const found = new Closure(places, (place, count, below) => this.#stack(place, count, below));
    found.follow(start, undefined);
    this.start = this.#position(found);
  }

  /** The position after one more byte; null where no text goes on with it. */
  after(position: Position, byte: number): Position | null {
    const of = this.classes.of[byte]!;
    const known = position.next[of];
    if (known !== undefined) return known;
    return (position.next[of] = this.#after(position, byte));
  }

  /** The ways to read a text that has got to a position; it may go on as any of them does. */
  ways({ stacks }: Position): Way[] {
    return stacks.map((stack) => {
      const { automaton, next } = this.#places[stack.place] as Extract<Place, { kind: "read" }>;
      const isLast = stack.below === undefined && this.#places[next]!.kind === "end";
      return { automaton, state: stack.count, alone: this.#positionOf(false, [stack]), isLast };
    });
  }

  #after({ stacks }: Position, byte: number): Position | null {
    const found = new Closure(this.#places, (place, count, below) => this.#stack(place, count, below));
    this.work += stacks.length;
    for (const { place, count, below } of stacks) {
      const { automaton, next } = this.#places[place] as Extract<Place, { kind: "read" }>;
      const state = step(automaton, count, byte);
      if (state >= 0) found.reach(place, state, below, next);
    }
    return found.isEnd || found.stacks.size > 0 ? this.#position(found) : null;
  }

  #stack(place: number, count: number, below: Stack | undefined): Stack {
    const key = `${place},${count},${below?.id ?? ""}`;
    let stack = this.#stacks.get(key);
    if (!stack) {
      if (this.#stacks.size + this.#positions.size > MOST_REMEMBERED) this.#forget();
      this.#stacks.set(key, (stack = { id: this.#ids++, place, count, below }));
    }
    return stack;
  }

  /** Positions that others hold live on, and lead to new ones. */
  #forget(): void {
    this.#stacks = new Map();
    this.#positions = new Map();
  }

  #position({ isEnd, stacks }: Closure): Position {
    this.work += stacks.size;
    const all = Array.from(stacks).toSorted((a, b) => a.id - b.id);
    return this.#positionOf(isEnd, all);
  }

  #positionOf(isEnd: boolean, all: readonly Stack[]): Position {
    const key = `${Number(isEnd)}:${all.map(({ id }) => id).join()}`;
    let position = this.#positions.get(key);
    if (!position) {
      const next = Array.from<undefined>({ length: this.classes.bytes.length });
      this.#positions.set(key, (position = { isEnd, goesOn: all.length > 0, stacks: all, next }));
    }
    return position;
  }
}

/** The stacks that are reached without a further byte. */
class Closure {
  readonly stacks = new Set<Stack>();
  isEnd = false;
  readonly #places: readonly Place[];
  readonly #stack: (place: number, count: number, below: Stack | undefined) => Stack;
  readonly #seen = new Set<string>();

  constructor(places: readonly Place[], stack: (place: number, count: number, below: Stack | undefined) => Stack) {
    this.#places = places;
    this.#stack = stack;
  }

  /** Takes the state of an automaton, and what follows it if it may end there. */
  reach(place: number, state: number, below: Stack | undefined, next: number): void {
    const { automaton } = this.#places[place] as Extract<Place, { kind: "read" }>;
    if (goesOn(automaton, state)) {
      this.stacks.add(this.#stack(place, state, below));
      if (this.stacks.size > MOST_STACKS)
        throw new OptionError(`grammar: got one that reads a text in more than ${MOST_STACKS} ways, need fewer`);
    }
    if (automaton.accepts[state] === 1) this.follow(next, below);
  }

  follow(at: number, below: Stack | undefined): void {
    const place = this.#places[at]!;
    switch (place.kind) {
      case "read":
        this.reach(at, 0, below, place.next);
        return;
      case "split":
        if (this.#isNew(at, 0, below)) for (const target of place.targets) this.follow(target, below);
        return;
      case "call":
        // What follows a call at the end of a rule is what follows the rule.
        this.follow(place.start, this.#places[place.next]!.kind === "end" ? below : this.#stack(place.next, 0, below));
        return;
      case "repeat":
        this.#repeat(at, 0, below);
        return;
      case "end":
        if (!below) this.isEnd = true;
        else if (below.count > 0) this.#repeat(below.place, below.count, below.below);
        else this.follow(below.place, below.below);
    }
  }

  /** @param times the body has been gone through */
  #repeat(at: number, times: number, below: Stack | undefined): void {
    const { body, min, max, next } = this.#places[at] as Extract<Place, { kind: "repeat" }>;
    // Without a limit, only whether it is enough matters.
    const count = max === Infinity ? Math.min(times, min) : times;
    if (!this.#isNew(at, count, below)) return;
    if (count < max) this.follow(body, this.#stack(at, count + 1, below));
    if (count >= min) this.follow(next, below);
  }

  #isNew(place: number, count: number, below: Stack | undefined): boolean {
    const key = `${place},${count},${below?.id ?? ""}`;
    if (this.#seen.has(key)) return false;
    this.#seen.add(key);
    if (this.#seen.size > MOST_PLACES)
      throw new OptionError(`grammar: got one that goes on in more than ${MOST_PLACES} places at once, need fewer`);
    return true;
  }
}

const recognizers = new WeakMap<Grammar, Recognizer>();

/**
 * The recognizer of a grammar, one for all that use it.
 * @param what the grammar is called in messages
 * @throws OptionError for a grammar that cannot be carried out
 */
export function recognizerOf(grammar: Grammar, what = "grammar"): Recognizer {
  let recognizer = recognizers.get(grammar);
  if (!recognizer) recognizers.set(grammar, (recognizer = new Recognizer(compileProgram(grammar, what))));
  return recognizer;
}
