/** Rows of weights in a kept form: parts of them, several together, the floats they stand for. */
import { CheckpointError } from "../../errors.ts";
import { E2M1_DOUBLED } from "../formats/e2m1.ts";
import { f16Values } from "../formats/float-formats.ts";
import type { KeptForm, KeptRows } from "./kept-form.ts";

type Rows = KeptRows["arrays"][number];

/** Rows `begin` to `end` of those given. */
export function someRows({ rows, arrays }: KeptRows, begin: number, end: number): KeptRows {
  if (begin === 0 && end === rows) return { rows, arrays };
  const part = (array: Rows) => {
    const length = array.length / rows;
    return array.subarray(begin * length, end * length);
  };
  return { rows: end - begin, arrays: arrays.map(part) };
}

/** All rows, one piece's after another's. */
export function joinRows(pieces: readonly KeptRows[]): KeptRows {
  const [first, ...others] = pieces as [KeptRows, ...KeptRows[]];
  if (others.length === 0) return first;
  return {
    rows: pieces.reduce((sum, { rows }) => sum + rows, 0),
    arrays: first.arrays.map((array, i) => {
      const all = pieces.map(({ arrays }) => arrays[i]!);
      const joined = new (array.constructor as Float32ArrayConstructor)(all.reduce((sum, { length }) => sum + length, 0));
      let at = 0;
      for (const piece of all) {
        joined.set(piece as Float32Array, at);
        at += piece.length;
      }
      return joined;
    }),
  };
}

/**
 * Checks that no scale or minimum is NaN or infinite: what is multiplied by one is no number.
 *
 * @param where names file and tensor
 * @throws CheckpointError
 */
export function checkScales({ rows, arrays }: KeptRows, where: string): void {
  for (const array of arrays) {
    const isHalf = array instanceof Uint16Array;
    if (!isHalf && !(array instanceof Float32Array)) continue;
    const bad = isHalf
      ? array.findIndex((bits) => (bits & 0x7c00) === 0x7c00)
      : array.findIndex((value) => !Number.isFinite(value));
    if (bad < 0) continue;
    const value = isHalf ? f16Values()[array[bad]!]! : array[bad]!;
    throw new CheckpointError(
      `${where}: row ${Math.floor((bad * rows) / array.length)} of a part: got a scale of ${value}, need a finite one`,
    );
  }
}

/** What codes stand for, before scale and zero point. */
const INTEGERS = Int16Array.from({ length: 256 }, (_, code) => code);
const FLOATS = Int16Array.from(E2M1_DOUBLED);

/** scale * (code - zero) + minimum, a group of each. */
interface Affine {
  readonly scales: Float32Array;
  readonly zeros: Uint8Array | number;
  readonly minima?: Float32Array;
}

/**
 * The floats that rows stand for, by the rules of `kept-form.ts`, each rounded once.
 *
 * @param values f32[rows, K], filled
 */
export function dequantizeKept(kept: KeptForm, { rows, arrays }: KeptRows, values: Float32Array): void {
  const words = arrays[0] as Int32Array;
  const bits = kept.form === "qb8w" || kept.form === "qb8aw" || kept.form === "qc8w" ? 8 : 4;
  const K = values.length / rows;
  const G = kept.form === "qc8w" ? K : kept.form === "qb4mw" ? 32 : kept.groupSize;
  const [codesInWord, mask, rowWords] = [32 / bits, 2 ** bits - 1, words.length / rows];
  const integers = kept.form === "qb4fw" ? FLOATS : INTEGERS;
  const { scales, zeros, minima } = affineOf(kept, arrays);
  for (let row = 0, at = 0, g = 0; row < rows; row++) {
    let word = row * rowWords;
    for (const rowEnd = at + K; at < rowEnd; g++) {
      const scale = scales[g]!;
      const zero = typeof zeros === "number" ? zeros : zeros[g]!;
      // Adding -0 leaves a zero's sign as it is.
      const minimum = minima ? minima[g]! : -0;
      for (const groupEnd = at + G; at < groupEnd; word++) {
        let codes = words[word]!;
        // The last word of a row may be filled up.
        for (const end = Math.min(at + codesInWord, groupEnd); at < end; codes >>>= bits) {
          values[at++] = scale * (integers[codes & mask]! - zero) + minimum;
        }
      }
    }
  }
}

function affineOf(kept: KeptForm, [, ...arrays]: KeptRows["arrays"]): Affine {
  switch (kept.form) {
    case "qb4fw":
      return { scales: (arrays[0] as Float32Array).map((scale) => scale / 2), zeros: 0 };
    case "qb4w":
      return { scales: arrays[0] as Float32Array, zeros: 8 };
    case "qb8w":
    case "qc8w":
      return { scales: arrays[0] as Float32Array, zeros: 128 };
    case "qb4zw":
      return { scales: arrays[0] as Float32Array, zeros: arrays[1] as Uint8Array };
    case "qb4aw":
      return pairs(decodeHalves(arrays[0] as Uint16Array));
    case "qb8aw":
      return pairs(arrays[0] as Float32Array);
    case "qb4mw":
      return superblocks(kept.superblock / 32, arrays as [Uint8Array, Uint8Array, Float32Array]);
  }
}

function decodeHalves(halves: Uint16Array): Float32Array {
  const table = f16Values();
  const values = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) values[i] = table[halves[i]!]!;
  return values;
}

/** Scale and minimum in turns. */
function pairs(affine: Float32Array): Affine {
  const [scales, minima] = [new Float32Array(affine.length / 2), new Float32Array(affine.length / 2)];
  for (let g = 0; g < scales.length; g++) {
    scales[g] = affine[2 * g]!;
    minima[g] = affine[2 * g + 1]!;
  }
  return { scales, zeros: 0, minima };
}

/** Products of what groups and superblocks of so many groups have, rounded to float32. */
function superblocks(groups: number, [sc, mn, multipliers]: [Uint8Array, Uint8Array, Float32Array]): Affine {
  const [scales, minima] = [new Float32Array(sc.length), new Float32Array(sc.length)];
  for (let block = 0, g = 0; g < scales.length; block += 2) {
    const [d, dmin] = [multipliers[block]!, multipliers[block + 1]!];
    for (const end = g + groups; g < end; g++) {
      scales[g] = d * sc[g]!;
      minima[g] = -(dmin * mn[g]!);
    }
  }
  return { scales, zeros: 0, minima };
}
