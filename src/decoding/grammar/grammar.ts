/**
 * Grammars as data: what a text may be. The smallest parts are automata over bytes, which rules put in order;
 * rules may refer to themselves.
 */
import { type Automaton, classesFrom, explore, intersection } from "./regular/automaton.ts";
import { ALL_CODE_POINTS, utf8Character } from "./regular/code-points.ts";
import { determinize } from "./regular/determinize.ts";
import * as regular from "./regular/regular.ts";

export type Grammar =
  | { readonly kind: "regular"; readonly automaton: Automaton }
  | { readonly kind: "sequence"; readonly parts: readonly Grammar[] }
  | { readonly kind: "choice"; readonly branches: readonly Grammar[] }
  /** `max`: Infinity for no limit. Repetitions are counted, not written out. */
  | { readonly kind: "repeat"; readonly part: Grammar; readonly min: number; readonly max: number }
  | { readonly kind: "rule"; readonly rule: Rule };

/** A named part, whose body may be given after others refer to it. */
export interface Rule {
  readonly name: string;
  body: Grammar;
}

export const sequenceOf = (...parts: readonly Grammar[]): Grammar => ({ kind: "sequence", parts });
export const choiceOf = (...branches: readonly Grammar[]): Grammar =>
  branches.length === 1 ? branches[0]! : { kind: "choice", branches };
export const repeatOf = (part: Grammar, min: number, max = Infinity): Grammar => ({ kind: "repeat", part, min, max });
export const ruleOf = (rule: Rule): Grammar => ({ kind: "rule", rule });
export const automatonOf = (automaton: Automaton): Grammar => ({ kind: "regular", automaton });
export const regularOf = (expression: regular.Regular): Grammar => automatonOf(determinize(expression));

/** Exactly this text. */
export const textOf = (text: string): Grammar => regularOf(regular.text(text));

/** Nothing at all: no text is one of it. */
export const NONE: Grammar = { kind: "choice", branches: [] };

/**
 * A byte that no text has. Special tokens, which are no text, are spelled between two of them; so a grammar
 * can ask for one.
 */
export const SPECIAL_BYTE = 0xff;

const utf8 = new TextEncoder();

/** The bytes of a special token by the text that stands for it. */
export const specialBytes = (token: string): Uint8Array => Uint8Array.of(SPECIAL_BYTE, ...utf8.encode(token), SPECIAL_BYTE);

/** The special token that a text stands for, as one token. */
export const specialToken = (token: string): Grammar => regularOf(regular.bytes(specialBytes(token)));

/** Any text up to the first `mark`, the mark included. @param mark ASCII */
export function upTo(mark: string): Grammar {
  const goesOn = (read: string): string => {
    let rest = read;
    while (!mark.startsWith(rest)) rest = rest.slice(1);
    return rest;
  };
  const until = explore<string>(
    {
      start: "",
      key: (read) => read,
      step: (read, byte) => (read === mark ? undefined : goesOn(read + String.fromCharCode(byte))),
      accepts: (read) => read === mark,
    },
    classesFrom((byte) => (mark.includes(String.fromCharCode(byte)) ? byte : -1)),
  );
  return automatonOf(intersection(until, determinize(regular.repeat(utf8Character(ALL_CODE_POINTS), 0))));
}
