/** Damage that knows nothing of a format: a disk, a cable, a hostile editor. */
import type { Choices } from "../choices.ts";
import { utf8 } from "./edit.ts";

type Changed = readonly [bytes: Uint8Array, what: string];

const NUMBERS: readonly bigint[] = [0n, 1n, 2n, 127n, 255n, 65535n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 40n, 2n ** 53n, 2n ** 62n, 2n ** 63n, 2n ** 64n - 1n]; // prettier-ignore
/** Most bytes that are removed or repeated. */
const MOST_BYTES = 64;

/** @param within where to damage: begin and end */
export function editBytes(bytes: Uint8Array, choices: Choices, [begin, end] = [0, bytes.length]): Changed {
  const at = begin + choices.below(end - begin);
  const length = 1 + choices.below(Math.min(MOST_BYTES, Math.max(1, bytes.length - at)));
  const head = bytes.subarray(0, at);
  switch (choices.below(7)) {
    case 0: {
      const bit = choices.below(8);
      return [changed(bytes, at, (bytes[at] ?? 0) ^ (1 << bit)), `bit ${bit} of byte ${at} flipped`];
    }
    case 1: {
      const value = choices.below(256);
      return [changed(bytes, at, value), `byte ${at} := ${value}`];
    }
    case 2:
      return [joined(head, bytes.subarray(at + length)), `${length} bytes at ${at} removed`];
    case 3:
      return [joined(head, bytes.subarray(at, at + length), bytes.subarray(at)), `${length} bytes at ${at} repeated`];
    case 4: {
      const number = new Uint8Array(8);
      new DataView(number.buffer).setBigUint64(0, choices.pick(NUMBERS), true);
      const width = choices.pick([1, 2, 4, 8]);
      const what = `${width} bytes at ${at} := ${new DataView(number.buffer).getBigUint64(0, true)}`;
      return [joined(head, number.subarray(0, width), bytes.subarray(at + width)), what];
    }
    case 5: {
      const from = choices.below(bytes.length);
      const piece = bytes.subarray(from, from + length);
      return [joined(head, piece, bytes.subarray(at + piece.length)), `${piece.length} bytes at ${at} := those at ${from}`];
    }
    default:
      return [bytes.slice(0, at), `cut at ${at} of ${bytes.length}`];
  }
}

function changed(bytes: Uint8Array, at: number, value: number): Uint8Array {
  const result = bytes.slice();
  if (at < result.length) result[at] = value;
  return result;
}

export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const result = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}

const FLOATS = [Number.NaN, Infinity, -Infinity, 0, -0, 3.4e38, -3.4e38, 1e-45, 65504, 1e-8];

/** Overwrites numbers of tensor data by values that arithmetic is not made for. */
export function editNumbers(bytes: Uint8Array, width: 2 | 4, choices: Choices, [begin, end] = [0, bytes.length]): Changed {
  const result = bytes.slice();
  const view = new DataView(result.buffer);
  const value = choices.pick(FLOATS);
  const all = choices.chance(0.2);
  const first = begin + width * choices.below(Math.floor((end - begin) / width));
  const last = all ? end : Math.min(end, first + width * (1 + choices.below(4)));
  for (let at = all ? begin : first; at + width <= last; at += width) {
    if (width === 4) view.setFloat32(at, value, true);
    else view.setUint16(at, choices.pick([0x7c00, 0x7e00, 0xfc00, 0x7bff, 0x0001, 0x7f80]), true);
  }
  return [result, `numbers of bytes ${all ? begin : first} to ${last} := ${width === 4 ? value : "extremes of 16 bits"}`];
}

/** Damages text as text: what stays is more often still text of the format. */
export function editText(text: string, choices: Choices, words: readonly string[]): readonly [text: string, what: string] {
  const at = choices.below(text.length + 1);
  const length = 1 + choices.below(24);
  switch (choices.below(4)) {
    case 0:
      return [text.slice(0, at) + text.slice(at + length), `${length} characters at ${at} removed`];
    case 1: {
      const word = choices.pick(words);
      return [text.slice(0, at) + word + text.slice(at), `${JSON.stringify(word.slice(0, 100))} put in at ${at}`];
    }
    case 2:
      return [text.slice(0, at + length) + text.slice(at), `${length} characters at ${at} repeated`];
    default: {
      const word = choices.pick(words);
      return [text.slice(0, at) + word + text.slice(at + length), `${length} characters at ${at} := ${JSON.stringify(word.slice(0, 100))}`];
    }
  }
} // prettier-ignore

export const textBytes = (text: string): Uint8Array => utf8.encode(text);
