/**
 * Rows of weights as blocks of ggml (`src/ggml-common.h`): rounded as ggml's reference does (gguf-py
 * `quants.py`, bit for bit), or codes that a checkpoint has already, moved into the blocks they fit.
 *
 * Below, d and m are float16 little-endian, qs has two codes in a byte: low nibbles are the first half of a
 * block, high nibbles the second.
 */
import { f16ToF32, f32ToF16 } from "../../checkpoint/formats/float-formats.ts";
import type { KeptForm, KeptRows } from "../../checkpoint/quantization/kept-form.ts";

export const BLOCK = 32;

export type BlockType = "Q8_0" | "Q4_0" | "Q4_1";
export const BLOCK_BYTES: Readonly<Record<BlockType, number>> = { Q8_0: 34, Q4_0: 18, Q4_1: 20 };

/** Blocks of a row after another. */
export interface EncodedBlocks {
  readonly bytes: Uint8Array;
  /** Blocks that stand for other numbers than were given: a scale that is no float16. */
  readonly rounded: number;
}

/** @param values whole blocks; finite */
export function roundToBlocks(type: BlockType, values: Float32Array): Uint8Array {
  const count = values.length / BLOCK;
  const bytes = new Uint8Array(count * BLOCK_BYTES[type]);
  const view = new DataView(bytes.buffer);
  const codes = new Int32Array(BLOCK);
  const round = ROUND[type];
  for (let b = 0, at = 0; b < count; b++, at += BLOCK_BYTES[type]) round(values, b * BLOCK, { view, at, codes });
  return bytes;
}

/** Where a block goes, and room for its codes. */
interface BlockPlace {
  readonly view: DataView;
  readonly at: number;
  readonly codes: Int32Array;
}

type Round = (values: Float32Array, first: number, place: BlockPlace) => void;

const fround = Math.fround;
const inverse = (d: number) => (d === 0 ? 0 : fround(1 / d));

const ROUND: Readonly<Record<BlockType, Round>> = {
  /** d | q[32]; d = absmax / 127, halves away from zero */
  Q8_0: (values, first, { view, at }) => {
    let largest = 0;
    for (let i = first; i < first + BLOCK; i++) largest = Math.max(largest, Math.abs(values[i]!));
    const d = fround(largest / 127);
    const inv = inverse(d);
    view.setUint16(at, f32ToF16(d), true);
    for (let i = 0; i < BLOCK; i++) {
      const scaled = fround(values[first + i]! * inv);
      // As numpy does it: floor(|x|), and one more where what is left is at least a half.
      const whole = Math.floor(Math.abs(scaled));
      const magnitude = whole + Math.floor(2 * (Math.abs(scaled) - whole));
      view.setInt8(at + 2 + i, scaled < 0 ? -magnitude : magnitude);
    }
  },
  /** d | qs[16]; the value of the largest magnitude, the first of equals, is -8 */
  Q4_0: (values, first, { view, at, codes }) => {
    let largest = 0;
    for (let i = first; i < first + BLOCK; i++) if (Math.abs(values[i]!) > Math.abs(largest)) largest = values[i]!;
    const d = fround(largest / -8);
    const inv = inverse(d);
    view.setUint16(at, f32ToF16(d), true);
    for (let i = 0; i < BLOCK; i++) codes[i] = Math.min(15, Math.trunc(fround(fround(values[first + i]! * inv) + 8.5)));
    setNibbles(view, at + 2, codes);
  },
  /** d | m | qs[16]; from the least to the largest */
  Q4_1: (values, first, { view, at, codes }) => {
    let [least, largest] = [values[first]!, values[first]!];
    for (let i = first; i < first + BLOCK; i++) {
      least = Math.min(least, values[i]!);
      largest = Math.max(largest, values[i]!);
    }
    const d = fround(fround(largest - least) / 15);
    const inv = inverse(d);
    view.setUint16(at, f32ToF16(d), true);
    view.setUint16(at + 2, f32ToF16(least), true);
    for (let i = 0; i < BLOCK; i++) {
      codes[i] = Math.min(15, Math.trunc(fround(fround(fround(values[first + i]! - least) * inv) + 0.5)));
    }
    setNibbles(view, at + 4, codes);
  },
};

/** 16 bytes of 32 codes. */
function setNibbles(view: DataView, at: number, codes: Int32Array): void {
  for (let i = 0; i < BLOCK / 2; i++) view.setUint8(at + i, codes[i]! | (codes[i + BLOCK / 2]! << 4));
}

/** Whether a type has blocks, with room for the codes of a form as they are. */
export function keepsCodes(type: string, form: KeptForm): type is BlockType {
  if (!Object.hasOwn(BLOCK_BYTES, type)) return false;
  switch (form.form) {
    case "qb4w":
      return form.groupSize % BLOCK === 0;
    case "qb4aw":
      return type === "Q4_1";
    case "qb8w":
      return type === "Q8_0" && form.groupSize % BLOCK === 0;
    case "qc8w":
      return type === "Q8_0";
    default:
      return false;
  }
}

/**
 * Moves codes of a form for which `keepsCodes`. A scale that is no float16 becomes the nearest one.
 *
 * @param K in_features, a multiple of 32
 */
export function keptToBlocks(type: BlockType, form: KeptForm, { rows, arrays }: KeptRows, K: number): EncodedBlocks {
  const blocksOfRow = K / BLOCK;
  const bytes = new Uint8Array(rows * blocksOfRow * BLOCK_BYTES[type]);
  const view = new DataView(bytes.buffer);
  const [words, scales] = arrays as [Int32Array, Float32Array | Uint16Array];
  const bits = form.form === "qb8w" || form.form === "qc8w" ? 8 : 4;
  const wordsOfRow = words.length / rows;
  const scalesOfRow = scales.length / rows;
  const codes = new Int32Array(BLOCK);
  let rounded = 0;
  for (let row = 0, at = 0; row < rows; row++) {
    for (let b = 0; b < blocksOfRow; b++, at += BLOCK_BYTES[type]) {
      readCodes(words, row * wordsOfRow + b * bits, bits, codes);
      if (form.form === "qb4aw") {
        const pair = 2 * (row * blocksOfRow + b);
        view.setUint16(at, scales[pair]!, true);
        view.setUint16(at + 2, scales[pair + 1]!, true);
        setNibbles(view, at + 4, codes);
        continue;
      }
      const scale = scales[row * scalesOfRow + Math.floor((b * scalesOfRow) / blocksOfRow)]!;
      if (!setScaled(type, scale, 2 ** (bits - 1), { view, at, codes })) rounded++;
    }
  }
  return { bytes, rounded };
}

/** The 32 codes of a block, which begin at a word: as many words as a code has bits. */
function readCodes(words: Int32Array, first: number, bits: 4 | 8, codes: Int32Array): void {
  const mask = 2 ** bits - 1;
  for (let w = 0, i = 0; w < bits; w++) {
    const word = words[first + w]!;
    for (let shift = 0; shift < 32; shift += bits) codes[i++] = (word >>> shift) & mask;
  }
}

/**
 * @param offset what codes are above q
 * @returns whether the block stands for scale * q exactly
 */
function setScaled(type: BlockType, scale: number, offset: number, { view, at, codes }: BlockPlace): boolean {
  const half = f32ToF16(scale);
  const d = f16ToF32(half);
  view.setUint16(at, half, true);
  if (type === "Q4_0") setNibbles(view, at + 2, codes);
  else if (type === "Q8_0") for (let i = 0; i < BLOCK; i++) view.setInt8(at + 2 + i, codes[i]! - offset);
  else {
    const minimum = f32ToF16(-8 * d);
    view.setUint16(at + 2, minimum, true);
    setNibbles(view, at + 4, codes);
    if (f16ToF32(minimum) !== -8 * d) return false;
  }
  return d === scale;
}
