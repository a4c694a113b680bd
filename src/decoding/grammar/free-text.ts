/**
 * Text that may be anything, up to where something begins that may not. It is read byte by byte as its reader
 * sees it: special tokens are no text, unless they are such a mark themselves.
 */
import { type Automaton, classesFrom, explore } from "./regular/automaton.ts";
import { automatonOf, type Grammar, SPECIAL_BYTE } from "./grammar.ts";

/** Text in which nothing is looked for, between marks of its own. */
export interface Unread {
  readonly open: string;
  readonly close: string;
}

export interface FreeText {
  /** Up to the first mark, it included. */
  readonly untilMark: Grammar;
  /** Without a mark, to the end. */
  readonly withoutMark: Grammar;
}

interface State {
  readonly isUnread: boolean;
  /** The end of what was read, as far as a mark begins with it. */
  readonly read: string;
  /** What was read of a special token's name, as far as that may be a mark; undefined outside of one. */
  readonly special: string | undefined;
  readonly isMarked: boolean;
}

/** The name of a special token that is no mark. */
const OTHER = "\uffff";

/**
 * @param mark ASCII, as text or as a special token
 * @param unread parts in which no mark is looked for; undefined where there are none
 * @param beginsUnread whether it begins in such a part
 */
export function freeText(mark: string, unread: Unread | undefined, beginsUnread: boolean): FreeText {
  const key = JSON.stringify([mark, unread?.open, unread?.close, beginsUnread]);
  const found = known.get(key) ?? make(mark, unread, beginsUnread);
  known.set(key, found);
  return found;
}

/** As many as there are templates of models in a process, and four for each at most. */
const known = new Map<string, FreeText>();

function make(mark: string, unread: Unread | undefined, beginsUnread: boolean): FreeText {
  const automaton = (accepts: (state: State) => boolean): Automaton =>
    explore<State>(
      {
        start: { isUnread: beginsUnread, read: "", special: undefined, isMarked: false },
        key: ({ isUnread, read, special, isMarked }) => JSON.stringify([isUnread, read, special ?? null, isMarked]),
        step: (state, byte) => (state.isMarked ? undefined : after(state, byte, mark, unread)),
        accepts,
      },
      classesFrom((byte) => (byte === SPECIAL_BYTE || marksOf(mark, unread).includes(String.fromCharCode(byte)) ? byte : -1)),
    );
  return {
    untilMark: automatonOf(automaton(({ isMarked }) => isMarked)),
    withoutMark: automatonOf(automaton(({ isMarked, special }) => !isMarked && special === undefined)),
  };
}

const marksOf = (mark: string, unread: Unread | undefined) => mark + (unread ? unread.open + unread.close : "");

function after(state: State, byte: number, mark: string, unread: Unread | undefined): State {
  const { special } = state;
  const char = String.fromCharCode(byte);
  if (special === undefined) {
    if (byte === SPECIAL_BYTE) return { ...state, special: "" };
    return afterCharacter(state, char, mark, unread);
  }
  if (byte !== SPECIAL_BYTE) return { ...state, special: mark.startsWith(special + char) ? special + char : OTHER };
  const isMarked = special === mark && !state.isUnread;
  return { ...state, special: undefined, isMarked, read: isMarked ? "" : state.read };
}

function afterCharacter(state: State, char: string, mark: string, unread: Unread | undefined): State {
  const { isUnread } = state;
  const marks = isUnread ? [unread!.close] : [mark, ...(unread ? [unread.open] : [])];
  let read = state.read + char;
  while (!marks.some((one) => one.startsWith(read))) read = read.slice(1);
  if (read === mark && !isUnread) return { ...state, read: "", isMarked: true };
  if (unread && read === (isUnread ? unread.close : unread.open)) return { ...state, read: "", isUnread: !isUnread };
  return { ...state, read };
}

/** White space of JSON: a text that begins with any other is none. */
const SPACES: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d]);
const OPEN_BRACE = 0x7b;

/**
 * Answers of which all is a call where they begin with a brace, and any text otherwise. Before it may be
 * white space, and special tokens, which are no text.
 */
export const BRACE: { readonly before: Grammar; readonly otherText: Grammar } = (() => {
  type Place = "begin" | "beginSpecial" | "text";
  const automaton = (goesOnAsText: boolean) =>
    explore<Place>(
      {
        start: "begin",
        key: (place) => place,
        step(place, byte) {
          if (place === "text") return "text";
          if (place === "beginSpecial") return byte === SPECIAL_BYTE ? "begin" : "beginSpecial";
          if (byte === SPECIAL_BYTE) return "beginSpecial";
          if (SPACES.has(byte)) return "begin";
          return goesOnAsText && byte !== OPEN_BRACE ? "text" : undefined;
        },
        accepts: (place) => place !== "beginSpecial",
      },
      classesFrom((byte) => (byte === SPECIAL_BYTE || byte === OPEN_BRACE || SPACES.has(byte) ? byte : -1)),
    );
  return { before: automatonOf(automaton(false)), otherText: automatonOf(automaton(true)) };
})();
