/**
 * Blocks of 32 weights of ggml (`src/ggml-common.h`) as the forms that kernels multiply (`kept-form.ts`):
 * codes are moved into words, four or eight at a time, and scales made float32; nothing is rounded.
 *
 * Below, d and m are float16 little-endian, qs has two codes in a byte: low nibbles are the first half, high
 * nibbles the second.
 */
import { f16Values } from "../formats/float-formats.ts";
import type { KeptRows } from "../quantization/kept-form.ts";

/** Arrays of a form, of `count` blocks that follow one another. */
export type Unpack = (blocks: DataView, count: number) => KeptRows["arrays"];

/** The low nibbles of four bytes, in 16 bits. */
function nibbles(bytes: number): number {
  let low = bytes & 0x0f0f0f0f;
  low = (low | (low >>> 4)) & 0x00ff00ff;
  return (low | (low >>> 8)) & 0xffff;
}

/** Low nibbles of eight bytes, from bit `shift` (0 or 4) of each on, to one word. */
export function nibbleWord(blocks: DataView, at: number, shift: number): number {
  return nibbles(blocks.getUint32(at, true) >>> shift) | (nibbles(blocks.getUint32(at + 4, true) >>> shift) << 16);
}

/** 16 bytes, whose low nibbles come first, to four words from `word` on. */
function moveNibbles(blocks: DataView, at: number, words: Int32Array, word: number): void {
  words[word] = nibbleWord(blocks, at, 0);
  words[word + 1] = nibbleWord(blocks, at + 8, 0);
  words[word + 2] = nibbleWord(blocks, at, 4);
  words[word + 3] = nibbleWord(blocks, at + 8, 4);
}

/** d | qs[16]; d * (q - 8) */
export function unpackQ4_0(blocks: DataView, count: number): KeptRows["arrays"] {
  const half = f16Values();
  const [words, scales] = [new Int32Array(4 * count), new Float32Array(count)];
  for (let b = 0, at = 0; b < count; b++, at += 18) {
    scales[b] = half[blocks.getUint16(at, true)]!;
    moveNibbles(blocks, at + 2, words, 4 * b);
  }
  return [words, scales];
}

/** d | m | qs[16]; d * q + m */
export function unpackQ4_1(blocks: DataView, count: number): KeptRows["arrays"] {
  const [words, halves] = [new Int32Array(4 * count), new Uint16Array(2 * count)];
  for (let b = 0, at = 0; b < count; b++, at += 20) {
    halves[2 * b] = blocks.getUint16(at, true);
    halves[2 * b + 1] = blocks.getUint16(at + 2, true);
    moveNibbles(blocks, at + 4, words, 4 * b);
  }
  return [words, halves];
}

/** e | qs[16]; 2^(e - 127) * E2M1(q), whose exponent is that of a float32 */
export function unpackMXFP4(blocks: DataView, count: number): KeptRows["arrays"] {
  const [words, exponents] = [new Int32Array(4 * count), new Uint32Array(count)];
  for (let b = 0, at = 0; b < count; b++, at += 17) {
    exponents[b] = blocks.getUint8(at) << 23 || 0x00400000; // 2^-127 is subnormal
    moveNibbles(blocks, at + 1, words, 4 * b);
  }
  return [words, new Float32Array(exponents.buffer)];
}

/** Bits `bit` .. `bit + 3` of a number to bit 4 of four bytes. */
function fifthBits(bits: number, bit: number): number {
  const four = bits >>> bit;
  return ((four & 1) << 4) | ((four & 2) << 11) | ((four & 4) << 18) | ((four & 8) << 25);
}

/** Codes of five bits: 16 bytes of four at `at + 4`, then 32 fifth bits at `at`. */
function moveFiveBits(blocks: DataView, at: number, words: Int32Array, word: number, offset: number): void {
  const fifth = blocks.getUint32(at, true);
  for (let i = 0; i < 4; i++) {
    const bytes = blocks.getUint32(at + 4 + 4 * i, true);
    words[word + i] = ((bytes & 0x0f0f0f0f) | fifthBits(fifth, 4 * i)) + offset;
    words[word + i + 4] = (((bytes >>> 4) & 0x0f0f0f0f) | fifthBits(fifth, 4 * i + 16)) + offset;
  }
}

/** d | u32 qh, bit j is the fifth of code j | qs[16]; d * (q - 16): a byte of a word is q + 112 */
export function unpackQ5_0(blocks: DataView, count: number): KeptRows["arrays"] {
  const half = f16Values();
  const [words, scales] = [new Int32Array(8 * count), new Float32Array(count)];
  for (let b = 0, at = 0; b < count; b++, at += 22) {
    scales[b] = half[blocks.getUint16(at, true)]!;
    moveFiveBits(blocks, at + 2, words, 8 * b, 0x70707070);
  }
  return [words, scales];
}

/** d | m | u32 qh | qs[16]; d * q + m */
export function unpackQ5_1(blocks: DataView, count: number): KeptRows["arrays"] {
  const half = f16Values();
  const [words, affine] = [new Int32Array(8 * count), new Float32Array(2 * count)];
  for (let b = 0, at = 0; b < count; b++, at += 24) {
    affine[2 * b] = half[blocks.getUint16(at, true)]!;
    affine[2 * b + 1] = half[blocks.getUint16(at + 2, true)]!;
    moveFiveBits(blocks, at + 4, words, 8 * b, 0);
  }
  return [words, affine];
}

/** d | i8 qs[32]; int8 becomes offset binary where its top bit turns */
export function unpackQ8_0(blocks: DataView, count: number): KeptRows["arrays"] {
  const half = f16Values();
  const [words, scales] = [new Int32Array(8 * count), new Float32Array(count)];
  for (let b = 0, at = 0; b < count; b++, at += 34) {
    scales[b] = half[blocks.getUint16(at, true)]!;
    for (let i = 0; i < 8; i++) words[8 * b + i] = blocks.getInt32(at + 2 + 4 * i, true) ^ 0x80808080;
  }
  return [words, scales];
}

/** What the codes of IQ4 stand for (`kvalues_iq4nl`). */
const IQ4_VALUES = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113] as const;

/** 16 bytes of indices, low nibbles first, to the bytes of eight words: the table's values, offset binary. */
export function moveIq4(blocks: DataView, at: number, bytes: Uint8Array, to: number): void {
  for (let j = 0; j < 16; j++) {
    const pair = blocks.getUint8(at + j);
    bytes[to + j] = IQ4_VALUES[pair & 15]! + 128;
    bytes[to + j + 16] = IQ4_VALUES[pair >> 4]! + 128;
  }
}

/** d | qs[16]; d * value(q) */
export function unpackIQ4_NL(blocks: DataView, count: number): KeptRows["arrays"] {
  const half = f16Values();
  const [bytes, scales] = [new Uint8Array(32 * count), new Float32Array(count)];
  for (let b = 0, at = 0; b < count; b++, at += 18) {
    scales[b] = half[blocks.getUint16(at, true)]!;
    moveIq4(blocks, at + 2, bytes, 32 * b);
  }
  return [new Int32Array(bytes.buffer), scales];
}
