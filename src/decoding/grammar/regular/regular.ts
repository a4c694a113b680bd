/**
 * Regular expressions over bytes, as data. A grammar is over the bytes of a text, since a token may end in
 * the middle of a character.
 */
export type Regular =
  /** One byte, both ends included. */
  | { readonly kind: "range"; readonly from: number; readonly to: number }
  | { readonly kind: "sequence"; readonly parts: readonly Regular[] }
  | { readonly kind: "either"; readonly branches: readonly Regular[] }
  /** `max`: Infinity for no limit. */
  | { readonly kind: "repeat"; readonly part: Regular; readonly min: number; readonly max: number };

const utf8 = new TextEncoder();

export const range = (from: number, to: number): Regular => ({ kind: "range", from, to });
export const sequence = (...parts: readonly Regular[]): Regular => ({ kind: "sequence", parts });
export const either = (...branches: readonly Regular[]): Regular => ({ kind: "either", branches });
export const repeat = (part: Regular, min: number, max = Infinity): Regular => ({ kind: "repeat", part, min, max });
export const optional = (part: Regular): Regular => repeat(part, 0, 1);

/** Exactly these bytes. */
export const bytes = (all: Iterable<number>): Regular => sequence(...Array.from(all, (byte) => range(byte, byte)));

/** Exactly this text. */
export const text = (value: string): Regular => bytes(utf8.encode(value));

/** One of the characters of a text, all ASCII. */
export const oneOf = (characters: string): Regular => either(...Array.from(characters, text));
