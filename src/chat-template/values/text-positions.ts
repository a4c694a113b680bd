/** Places in strings, which Python counts in code points and JavaScript in UTF-16, and strings of strings. */
import type { Run } from "../run.ts";

const PAIRS = /[\ud800-\udfff]/;

export function codePoints(text: string): string[] {
  return PAIRS.test(text) ? Array.from(text) : text.split("");
}

export function lengthOf(text: string): number {
  if (!PAIRS.test(text)) return text.length;
  let length = 0;
  for (const _ of text) length++;
  return length;
}

/** Where Python sees the place `at` of JavaScript. */
export function pythonPlace(text: string, at: number): number {
  return at < 0 ? -1 : lengthOf(text.slice(0, at));
}

/** Where a slice begins, ends and its step, by the rules of Python: a step not 0, the others whole. */
export function sliceBounds(length: number, parts: readonly (number | undefined)[]): [start: number, stop: number, step: number] {
  const step = parts[2] ?? 1;
  const [lower, upper] = step > 0 ? [0, length] : [-1, length - 1];
  const bound = (at: number | undefined, otherwise: number) =>
    at === undefined ? otherwise : Math.min(upper, Math.max(lower, at < 0 ? at + length : at));
  return [bound(parts[0], step > 0 ? lower : upper), bound(parts[1], step > 0 ? upper : lower), step];
}

/** Places of the elements of a slice. */
export function sliceIndices(length: number, parts: readonly (number | undefined)[]): number[] {
  const [start, stop, step] = sliceBounds(length, parts);
  const indices: number[] = [];
  for (let i = start; step > 0 ? i < stop : i > stop; i += step) indices.push(i);
  return indices;
}

/** A slice of a string. */
export function sliceText(text: string, parts: readonly (number | undefined)[]): string {
  const plain = !PAIRS.test(text);
  if (plain && (parts[2] ?? 1) === 1) return text.slice(parts[0] ?? 0, parts[1] ?? text.length);
  const chars = codePoints(text);
  return sliceIndices(chars.length, parts)
    .map((i) => chars[i])
    .join("");
}

/** A string so many times, if that is not too long. */
export function repeat(run: Run, string: string, times: number): string {
  run.limits.text(string.length * Math.max(0, times));
  return string === "" ? "" : string.repeat(Math.max(0, times));
}
