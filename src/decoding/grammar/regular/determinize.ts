/**
 * Regular expressions to automata: Thompson's construction, then sets of its places as states. What an
 * expression may cost is bounded, since it may come from a stranger.
 */
import { type Automaton, type ByteClasses, classesFrom, explore } from "./automaton.ts";
import type { Regular } from "./regular.ts";

/** Places of an expression, its repetitions written out. */
const MOST_PLACES = 50_000;
/** Places looked at while states are made; about a second. */
const MOST_STEPS = 20_000_000;

/** The place behind the whole expression. */
const END = 0;

/** @throws RangeError for an expression that is too large, or has too many states */
export function determinize(expression: Regular): Automaton {
  const places = new Places();
  const start = places.before(expression, END);
  let steps = 0;
  return explore<Reached>(
    {
      start: places.closure([start]),
      key: ({ key }) => key,
      accepts: ({ all }) => all[0] === END,
      step({ all }, byte) {
        if ((steps += all.length) > MOST_STEPS) throw new RangeError(`one that takes more than ${MOST_STEPS} steps`);
        const reached = all.filter((place) => places.takes(place, byte)).map((place) => places.next(place));
        return reached.length === 0 ? undefined : places.closure(reached);
      },
    },
    places.classes(),
  );
}

/** Places that take a byte or end, ascending. */
interface Reached {
  readonly all: readonly number[];
  readonly key: string;
}

/** Places that take a byte of a range, or lead to others without taking one. */
class Places {
  readonly #from: number[] = [1];
  readonly #to: number[] = [0];
  /** The place behind the byte; for those that take none, where they lead. */
  readonly #next: (number | number[])[] = [END];
  readonly #closures = new Map<string, Reached>();

  /** The place where an expression begins that goes on at `next`. */
  before(expression: Regular, next: number): number {
    switch (expression.kind) {
      case "range":
        return this.#add(expression.from, expression.to, next);
      case "sequence":
        return expression.parts.reduceRight((place, part) => this.before(part, place), next);
      case "either":
        return this.#split(expression.branches.map((branch) => this.before(branch, next)));
      case "repeat":
        return this.#beforeRepeat(expression, next);
    }
  }

  #beforeRepeat({ part, min, max }: Extract<Regular, { kind: "repeat" }>, next: number): number {
    let place = next;
    if (max === Infinity) {
      const targets: number[] = [next];
      place = this.#split(targets);
      targets.push(this.before(part, place));
    } else {
      for (let i = min; i < max; i++) place = this.#split([this.before(part, place), next]);
    }
    for (let i = 0; i < min; i++) place = this.before(part, place);
    return place;
  }

  #split(targets: number[]): number {
    return this.#add(1, 0, targets);
  }

  #add(from: number, to: number, next: number | number[]): number {
    if (this.#next.length === MOST_PLACES) throw new RangeError(`one of more than ${MOST_PLACES} places`);
    this.#from.push(from);
    this.#to.push(to);
    return this.#next.push(next) - 1;
  }

  takes(place: number, byte: number): boolean {
    return this.#from[place]! <= byte && byte <= this.#to[place]!;
  }

  next(place: number): number {
    return this.#next[place] as number;
  }

  /** What is reached from places without a byte; most are asked for many times. */
  closure(from: readonly number[]): Reached {
    const key = from.join();
    let closure = this.#closures.get(key);
    if (!closure) {
      const all = this.#follow(from);
      this.#closures.set(key, (closure = { all, key: all.join() }));
    }
    return closure;
  }

  #follow(from: readonly number[]): readonly number[] {
    const seen = new Set<number>();
    const waiting = [...from];
    const found: number[] = [];
    for (let place = waiting.pop(); place !== undefined; place = waiting.pop()) {
      if (seen.has(place)) continue;
      seen.add(place);
      const next = this.#next[place]!;
      if (typeof next === "number") found.push(place);
      else for (const target of next) waiting.push(target);
    }
    return found.toSorted((a, b) => a - b);
  }

  classes(): ByteClasses {
    const isFirst = new Uint8Array(257);
    for (const [place, from] of this.#from.entries()) {
      if (from > this.#to[place]!) continue;
      isFirst[from] = 1;
      isFirst[this.#to[place]! + 1] = 1;
    }
    let of = 0;
    return classesFrom((byte) => (of += isFirst[byte]!));
  }
}
