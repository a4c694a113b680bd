/** Sets of characters, and the bytes that UTF-8 spells them with. */
import { either, range, type Regular, sequence } from "./regular.ts";

/** Code points, both ends included. */
export type CodePoints = readonly (readonly [from: number, to: number])[];

export const LAST_CODE_POINT = 0x10ffff;
export const ALL_CODE_POINTS: CodePoints = [[0, LAST_CODE_POINT]];
/** Halves of UTF-16's pairs, which are no characters. */
const SURROGATES: CodePoints = [[0xd800, 0xdfff]];

/** Those of `all` that are not in `others`. */
export function without(all: CodePoints, others: CodePoints): CodePoints {
  let left = [...all];
  for (const [from, to] of others) {
    left = left.flatMap(([a, b]) => [
      ...(a < from ? [[a, Math.min(b, from - 1)] as const] : []),
      ...(b > to ? [[Math.max(a, to + 1), b] as const] : []),
    ]);
  }
  return left;
}

/** Those in both. */
export function common(a: CodePoints, b: CodePoints): CodePoints {
  return a.flatMap(([from, to]) =>
    b.flatMap(([low, high]) => (low <= to && high >= from ? [[Math.max(from, low), Math.min(to, high)] as const] : [])),
  );
}

/** One character of a set, in UTF-8. */
export function utf8Character(set: CodePoints): Regular {
  return either(...without(set, SURROGATES).flatMap(([from, to]) => spellings(from, to)));
}

/** Last code points of one, two and three bytes. */
const LENGTHS = [0x7f, 0x7ff, 0xffff];

/** Sequences of ranges of bytes; a range of characters is cut where a byte before the last would change. */
function spellings(from: number, to: number): Regular[] {
  const split = (at: number) => [...spellings(from, at), ...spellings(at + 1, to)];
  const length = LENGTHS.find((last) => from <= last && last < to);
  if (length !== undefined) return split(length);
  if (to < 0x80) return [range(from, to)];
  for (const bits of [6, 12, 18]) {
    const low = (1 << bits) - 1;
    if ((from & ~low) === (to & ~low)) continue;
    if ((from & low) !== 0) return split(from | low);
    if ((to & low) !== low) return split((to & ~low) - 1);
  }
  const [first, last] = [bytesOf(from), bytesOf(to)];
  return [sequence(...first.map((byte, i) => range(byte, last[i]!)))];
}

function bytesOf(codePoint: number): number[] {
  const tail = (shift: number) => 0x80 | ((codePoint >> shift) & 0x3f);
  if (codePoint < 0x800) return [0xc0 | (codePoint >> 6), tail(0)];
  if (codePoint < 0x10000) return [0xe0 | (codePoint >> 12), tail(6), tail(0)];
  return [0xf0 | (codePoint >> 18), tail(12), tail(6), tail(0)];
}
