/**
 * Superblocks of 256 weights of ggml (`src/ggml-common.h`), as `ggml-blocks.ts` has those of 32. A scale of a
 * sub-block is the product of a float16, of 11 significant bits, and an integer of at most 8: exact in
 * float32.
 */
import { f16Values } from "../formats/float-formats.ts";
import type { KeptRows } from "../quantization/kept-form.ts";
import { moveIq4, nibbleWord } from "./ggml-blocks.ts";

/** u8 scales[16], of each 16 codes, minimum above scale | qs[64] | d | dmin; d * scale * q - dmin * min */
export function unpackQ2_K(blocks: DataView, count: number): KeptRows["arrays"] {
  const half = f16Values();
  const [words, affine] = [new Int32Array(64 * count), new Float32Array(32 * count)];
  for (let b = 0, at = 0; b < count; b++, at += 84) {
    const [d, dmin] = [half[blocks.getUint16(at + 80, true)]!, half[blocks.getUint16(at + 82, true)]!];
    for (let g = 0; g < 16; g++) {
      const pair = blocks.getUint8(at + g);
      affine[32 * b + 2 * g] = d * (pair & 15);
      affine[32 * b + 2 * g + 1] = -(dmin * (pair >> 4));
    }
    for (let run = 0; run < 8; run++) {
      const qs = at + 16 + 32 * (run >> 2);
      for (let i = 0; i < 8; i++) {
        words[64 * b + 8 * run + i] = (blocks.getUint32(qs + 4 * i, true) >>> (2 * (run & 3))) & 0x03030303;
      }
    }
  }
  return [words, affine];
}

/** 6-bit scale of the 16 codes of group g from the 12 packed bytes of a Q3_K block. */
function scaleQ3(blocks: DataView, at: number, g: number): number {
  const low = blocks.getUint8(at + (g & 7)) >> (4 * (g >> 3));
  const high = blocks.getUint8(at + 8 + (g & 3)) >> (2 * (g >> 2));
  return ((low & 15) | ((high & 3) << 4)) - 32;
}

/**
 * hmask[32] | qs[64] | scales[12] | d; d * scale * (q - 4), q of two bits and one of hmask: a byte of a word
 * is q + 124
 */
export function unpackQ3_K(blocks: DataView, count: number): KeptRows["arrays"] {
  const half = f16Values();
  const [words, scales] = [new Int32Array(64 * count), new Float32Array(16 * count)];
  for (let b = 0, at = 0; b < count; b++, at += 110) {
    const d = half[blocks.getUint16(at + 108, true)]!;
    for (let g = 0; g < 16; g++) scales[16 * b + g] = d * scaleQ3(blocks, at + 96, g);
    for (let run = 0; run < 8; run++) {
      const qs = at + 32 + 32 * (run >> 2);
      for (let i = 0; i < 8; i++) {
        const low = (blocks.getUint32(qs + 4 * i, true) >>> (2 * (run & 3))) & 0x03030303;
        const high = (blocks.getUint32(at + 4 * i, true) >>> run) & 0x01010101;
        words[64 * b + 8 * run + i] = (low | (high << 2)) + 0x7c7c7c7c;
      }
    }
  }
  return [words, scales];
}

/** 6-bit scale of sub-block s from the 12 packed bytes of a K block (ggml `get_scale_min_k4`). */
function subBlockScale(blocks: DataView, at: number, s: number): number {
  if (s < 4) return blocks.getUint8(at + s) & 63;
  return (blocks.getUint8(at + s + 4) & 15) | ((blocks.getUint8(at + s - 4) >> 6) << 4);
}

/** 6-bit minimum of sub-block s, likewise. */
function subBlockMin(blocks: DataView, at: number, s: number): number {
  if (s < 4) return blocks.getUint8(at + s + 4) & 63;
  return (blocks.getUint8(at + s + 4) >> 4) | ((blocks.getUint8(at + s) >> 6) << 4);
}

/** d | dmin | scales[12] | qs[128]; d * scale * q - dmin * min */
export function unpackQ4_K(blocks: DataView, count: number): KeptRows["arrays"] {
  const half = f16Values();
  const [words, multipliers] = [new Int32Array(32 * count), new Float32Array(2 * count)];
  const [scales, minima] = [new Uint8Array(8 * count), new Uint8Array(8 * count)];
  for (let b = 0, at = 0; b < count; b++, at += 144) {
    multipliers[2 * b] = half[blocks.getUint16(at, true)]!;
    multipliers[2 * b + 1] = half[blocks.getUint16(at + 2, true)]!;
    for (let s = 0; s < 8; s++) {
      scales[8 * b + s] = subBlockScale(blocks, at + 4, s);
      minima[8 * b + s] = subBlockMin(blocks, at + 4, s);
      const qs = at + 16 + 32 * (s >> 1);
      for (let i = 0; i < 4; i++) words[32 * b + 4 * s + i] = nibbleWord(blocks, qs + 8 * i, 4 * (s & 1));
    }
  }
  return [words, scales, minima, multipliers];
}

/**
 * d | dmin | scales[12] | qh[32], bit s of byte j is the fifth of code j of sub-block s | qs[128]; as Q4_K
 */
export function unpackQ5_K(blocks: DataView, count: number): KeptRows["arrays"] {
  const half = f16Values();
  const [words, affine] = [new Int32Array(64 * count), new Float32Array(16 * count)];
  for (let b = 0, at = 0; b < count; b++, at += 176) {
    const [d, dmin] = [half[blocks.getUint16(at, true)]!, half[blocks.getUint16(at + 2, true)]!];
    for (let s = 0; s < 8; s++) {
      affine[16 * b + 2 * s] = d * subBlockScale(blocks, at + 4, s);
      affine[16 * b + 2 * s + 1] = -(dmin * subBlockMin(blocks, at + 4, s));
      const qs = at + 48 + 32 * (s >> 1);
      for (let i = 0; i < 8; i++) {
        const low = (blocks.getUint32(qs + 4 * i, true) >>> (4 * (s & 1))) & 0x0f0f0f0f;
        const high = (blocks.getUint32(at + 16 + 4 * i, true) >>> s) & 0x01010101;
        words[64 * b + 8 * s + i] = low | (high << 4);
      }
    }
  }
  return [words, affine];
}

/**
 * ql[128] | qh[64] | i8 scales[16] | d; two halves of 128, each four runs of 32 that share bytes; d * scale *
 * (q - 32): a byte of a word is q + 96
 */
export function unpackQ6_K(blocks: DataView, count: number): KeptRows["arrays"] {
  const half = f16Values();
  const [words, scales] = [new Int32Array(64 * count), new Float32Array(16 * count)];
  for (let b = 0, at = 0; b < count; b++, at += 210) {
    const d = half[blocks.getUint16(at + 208, true)]!;
    for (let g = 0; g < 16; g++) scales[16 * b + g] = d * blocks.getInt8(at + 192 + g);
    for (let run = 0; run < 8; run++) {
      const quarter = run & 3;
      const [ql, qh] = [at + 64 * (run >> 2) + 32 * (quarter & 1), at + 128 + 32 * (run >> 2)];
      for (let i = 0; i < 8; i++) {
        const low = (blocks.getUint32(ql + 4 * i, true) >>> (4 * (quarter >> 1))) & 0x0f0f0f0f;
        const high = (blocks.getUint32(qh + 4 * i, true) >>> (2 * quarter)) & 0x03030303;
        words[64 * b + 8 * run + i] = (low | (high << 4)) + 0x60606060;
      }
    }
  }
  return [words, scales];
}

/** d | u16 scales_h | scales_l[4] | qs[128]; d * (scale - 32) * value(q) */
export function unpackIQ4_XS(blocks: DataView, count: number): KeptRows["arrays"] {
  const half = f16Values();
  const [bytes, scales] = [new Uint8Array(256 * count), new Float32Array(8 * count)];
  for (let b = 0, at = 0; b < count; b++, at += 136) {
    const d = half[blocks.getUint16(at, true)]!;
    for (let s = 0; s < 8; s++) {
      scales[8 * b + s] = d * scaleIq4(blocks, at + 2, s);
      moveIq4(blocks, at + 8 + 16 * s, bytes, 256 * b + 32 * s);
    }
  }
  return [new Int32Array(bytes.buffer), scales];
}

/** 6-bit scale of sub-block s of IQ4_XS: two bits of a u16, four of the bytes behind it. */
function scaleIq4(blocks: DataView, at: number, s: number): number {
  const low = blocks.getUint8(at + 2 + (s >> 1)) >> (4 * (s & 1));
  const high = blocks.getUint16(at, true) >> (2 * s);
  return ((low & 15) | ((high & 3) << 4)) - 32;
}
