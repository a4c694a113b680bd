/**
 * Deterministic automata over bytes: the tokens of a grammar, in the sense of a lexer. From each state of one
 * an accepting state can be reached, so whoever is in a state knows that what it has read can be finished.
 */

/** States an automaton may have: a pattern that needs more is refused (`(a|b)*a(a|b){20}` needs 2^21). */
const MOST_STATES = 8192;

/** Bytes that no state tells apart. */
export interface ByteClasses {
  /** u8[256], the class of each byte. */
  readonly of: Uint8Array;
  /** One byte of each class. */
  readonly bytes: readonly number[];
}

export interface Automaton {
  readonly classes: ByteClasses;
  /** i32[states, classes]: the state after a byte of the class, -1 for none. It begins in state 0. */
  readonly next: Int32Array;
  /** u8[states] */
  readonly accepts: Uint8Array;
}

/** An automaton whose states are made as they are reached. */
export interface Machine<State> {
  readonly start: State;
  /** The same for states that are the same. */
  key(state: State): string | number;
  /** Undefined where no text goes on with the byte. */
  step(state: State, byte: number): State | undefined;
  accepts(state: State): boolean;
}

/** Whether it accepts nothing, not even the empty text. */
export const isEmpty = ({ accepts }: Automaton): boolean => accepts.length === 0;

/** Where no state may be left, the automaton has no more to say. */
export function step({ classes, next }: Automaton, state: number, byte: number): number {
  return next[state * classes.bytes.length + classes.of[byte]!]!;
}

/** Whether a text may go on after a state. */
export function goesOn({ classes, next }: Automaton, state: number): boolean {
  const C = classes.bytes.length;
  return next.subarray(state * C, (state + 1) * C).some((to) => to >= 0);
}

/** @param of any number for each byte; equal ones make a class */
export function classesFrom(of: (byte: number) => number | string): ByteClasses {
  const known = new Map<number | string, number>();
  const representatives: number[] = [];
  const classes = Uint8Array.from({ length: 256 }, (_, byte) => {
    const key = of(byte);
    let found = known.get(key);
    if (found === undefined) {
      known.set(key, (found = known.size));
      representatives.push(byte);
    }
    return found;
  });
  return { of: classes, bytes: representatives };
}

/** @throws RangeError for more states than an automaton may have */
export function explore<State>(machine: Machine<State>, classes: ByteClasses): Automaton {
  const ids = new Map<string | number, number>();
  const states: State[] = [];
  const idOf = (state: State): number => {
    const key = machine.key(state);
    let id = ids.get(key);
    if (id === undefined) {
      if (states.length === MOST_STATES) throw new RangeError(`one of more than ${MOST_STATES} states`);
      ids.set(key, (id = states.push(state) - 1));
    }
    return id;
  };
  idOf(machine.start);
  const rows: number[] = [];
  for (let id = 0; id < states.length; id++) {
    for (const byte of classes.bytes) {
      const to = machine.step(states[id]!, byte);
      rows.push(to === undefined ? -1 : idOf(to));
    }
  }
  return trimmed({
    classes,
    next: Int32Array.from(rows),
    accepts: Uint8Array.from(states, (state) => Number(machine.accepts(state))),
  });
}

/** What both accept. */
export function intersection(a: Automaton, b: Automaton): Automaton {
  return product(a, b, (inA, inB) => inA && inB);
}

/** What one accepts and the other does not. */
export function difference(a: Automaton, b: Automaton): Automaton {
  return product(a, b, (inA, inB) => inA && !inB);
}

/** What either accepts. */
export function union(a: Automaton, b: Automaton): Automaton {
  return product(a, b, (inA, inB) => inA || inB);
}

function product(a: Automaton, b: Automaton, accepts: (inA: boolean, inB: boolean) => boolean): Automaton {
  const after = (automaton: Automaton, state: number, byte: number) => (state < 0 ? -1 : step(automaton, state, byte));
  const first = (automaton: Automaton) => (isEmpty(automaton) ? -1 : 0);
  return explore<readonly [number, number]>(
    {
      start: [first(a), first(b)],
      key: ([p, q]) => (p + 1) * (MOST_STATES + 1) + q,
      step([p, q], byte) {
        const to = [after(a, p, byte), after(b, q, byte)] as const;
        return to[0] < 0 && to[1] < 0 ? undefined : to;
      },
      accepts: ([p, q]) => accepts(p >= 0 && a.accepts[p] === 1, q >= 0 && b.accepts[q] === 1),
    },
    classesFrom((byte) => a.classes.of[byte]! * 256 + b.classes.of[byte]!),
  );
}

/** The same without states from which nothing is accepted. */
function trimmed({ classes, next, accepts }: Automaton): Automaton {
  const C = classes.bytes.length;
  const before: number[][] = Array.from({ length: accepts.length }, () => []);
  for (let i = 0; i < next.length; i++) if (next[i]! >= 0) before[next[i]!]!.push(Math.floor(i / C));
  const live = accepts.slice();
  const found = Array.from(accepts.keys()).filter((state) => accepts[state] === 1);
  for (let state = found.pop(); state !== undefined; state = found.pop()) {
    for (const earlier of before[state]!) {
      if (live[earlier] === 1) continue;
      live[earlier] = 1;
      found.push(earlier);
    }
  }
  if (live[0] !== 1) return { classes, next: new Int32Array(), accepts: new Uint8Array() };
  const kept = Array.from(live.keys()).filter((state) => live[state] === 1);
  const places = new Int32Array(accepts.length).fill(-1);
  for (const [place, state] of kept.entries()) places[state] = place;
  const rows = kept.flatMap((state) =>
    Array.from(next.subarray(state * C, (state + 1) * C), (to) => (to < 0 ? -1 : places[to]!)),
  );
  return { classes, next: Int32Array.from(rows), accepts: Uint8Array.from(kept, (state) => accepts[state]!) };
}
