/**
 * Values of ggml blocks in float64, one element at a time, straight from the definition of each block; slow
 * and plain. `ids` and sizes are written out again here so that a wrong table in the source shows.
 */

export const BLOCKS = {
  F32: { id: 0, elements: 1, bytes: 4 },
  F16: { id: 1, elements: 1, bytes: 2 },
  Q4_0: { id: 2, elements: 32, bytes: 18 },
  Q4_1: { id: 3, elements: 32, bytes: 20 },
  Q5_0: { id: 6, elements: 32, bytes: 22 },
  Q5_1: { id: 7, elements: 32, bytes: 24 },
  Q8_0: { id: 8, elements: 32, bytes: 34 },
  Q2_K: { id: 10, elements: 256, bytes: 84 },
  Q3_K: { id: 11, elements: 256, bytes: 110 },
  Q4_K: { id: 12, elements: 256, bytes: 144 },
  Q5_K: { id: 13, elements: 256, bytes: 176 },
  Q6_K: { id: 14, elements: 256, bytes: 210 },
  IQ4_NL: { id: 20, elements: 32, bytes: 18 },
  IQ4_XS: { id: 23, elements: 256, bytes: 136 },
  BF16: { id: 30, elements: 1, bytes: 2 },
  MXFP4: { id: 39, elements: 32, bytes: 17 },
} as const;

export type BlockType = keyof typeof BLOCKS;
export const BLOCK_TYPES = Object.keys(BLOCKS) as BlockType[];

/** Byte offsets, inside a block, of the float16 numbers it starts or ends with. */
export const HALVES: { readonly [type in BlockType]: readonly number[] } = {
  F32: [], F16: [0], BF16: [], Q8_0: [0], Q4_0: [0], Q4_1: [0, 2], Q5_0: [0], Q5_1: [0, 2], Q2_K: [80, 82], Q3_K: [108],
  Q4_K: [0, 2], Q5_K: [0, 2], Q6_K: [208], IQ4_NL: [0], IQ4_XS: [0], MXFP4: [],
}; // prettier-ignore

/** `kvalues_iq4nl`, and twice the values of E2M1. */
const IQ4 = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];
const FP4 = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

function float16(bits: number): number {
  const sign = bits >> 15 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const mantissa = (bits & 0x3ff) / 1024;
  return exponent === 0 ? sign * mantissa * 2 ** -14 : sign * (1 + mantissa) * 2 ** (exponent - 15);
}

/** Element `index` of a tensor stored as `type`, in float64. */
export function blockValue(type: BlockType, tensor: Uint8Array, index: number): number {
  const { elements, bytes } = BLOCKS[type];
  const j = index % elements;
  const block = new DataView(tensor.buffer, tensor.byteOffset + Math.floor(index / elements) * bytes, bytes);
  const half = (at: number) => float16(block.getUint16(at, true));
  const nibble = (at: number, high: boolean) => (high ? block.getUint8(at) >> 4 : block.getUint8(at) & 15);
  const bit = (at: number, n: number) => (block.getUint8(at + (n >> 3)) >> (n & 7)) & 1;
  switch (type) {
    case "F32":
      return block.getFloat32(0, true);
    case "F16":
      return half(0);
    case "BF16": {
      const wide = new DataView(new ArrayBuffer(4));
      wide.setUint16(2, block.getUint16(0, true), true);
      return wide.getFloat32(0, true);
    }
    case "Q8_0":
      return half(0) * block.getInt8(2 + j);
    case "Q4_0":
      return half(0) * (nibble(2 + (j % 16), j >= 16) - 8);
    case "Q4_1":
      return half(0) * nibble(4 + (j % 16), j >= 16) + half(2);
    case "Q5_0":
      return half(0) * (nibble(6 + (j % 16), j >= 16) + 16 * bit(2, j) - 16);
    case "Q5_1":
      return half(0) * (nibble(8 + (j % 16), j >= 16) + 16 * bit(4, j)) + half(2);
    case "Q2_K": {
      const scales = block.getUint8(Math.floor(j / 16));
      const q = (block.getUint8(16 + 32 * Math.floor(j / 128) + (j % 32)) >> (2 * Math.floor((j % 128) / 32))) & 3;
      return half(80) * (scales % 16) * q - half(82) * (scales >> 4);
    }
    case "Q3_K": {
      const g = Math.floor(j / 16);
      const low = (block.getUint8(96 + (g % 8)) >> (g < 8 ? 0 : 4)) & 15;
      const high = (block.getUint8(104 + (g % 4)) >> (2 * Math.floor(g / 4))) & 3;
      const q = (block.getUint8(32 + 32 * Math.floor(j / 128) + (j % 32)) >> (2 * Math.floor((j % 128) / 32))) & 3;
      const third = (block.getUint8(j % 32) >> Math.floor(j / 32)) & 1;
      return half(108) * (low + 16 * high - 32) * (q + 4 * third - 4);
    }
    case "IQ4_NL":
      return half(0) * IQ4[nibble(2 + (j % 16), j >= 16)]!;
    case "IQ4_XS": {
      const s = Math.floor(j / 32);
      const scale = nibble(4 + (s >> 1), s % 2 === 1) + 16 * ((block.getUint16(2, true) >> (2 * s)) & 3) - 32;
      return half(0) * scale * IQ4[nibble(8 + 16 * s + (j % 16), j % 32 >= 16)]!;
    }
    case "MXFP4":
      return 2 ** (block.getUint8(0) - 128) * FP4[nibble(1 + (j % 16), j >= 16)]!;
    case "Q4_K":
    case "Q5_K": {
      const s = Math.floor(j / 32);
      const b = (n: number) => block.getUint8(4 + n);
      const scale = s < 4 ? b(s) % 64 : (b(s + 4) % 16) + 16 * (b(s - 4) >> 6);
      const min = s < 4 ? b(s + 4) % 64 : (b(s + 4) >> 4) + 16 * (b(s) >> 6);
      const qs = type === "Q4_K" ? 16 : 48;
      const fifth = type === "Q5_K" ? 16 * ((block.getUint8(16 + (j % 32)) >> s) & 1) : 0;
      const q = nibble(qs + 32 * Math.floor(s / 2) + (j % 32), s % 2 === 1) + fifth;
      return half(0) * scale * q - half(2) * min;
    }
    case "Q6_K": {
      const part = Math.floor(j / 128); // which half of the block
      const [l, quarter] = [j % 32, Math.floor((j % 128) / 32)];
      const ql = 64 * part + l + (quarter % 2) * 32;
      const high = (block.getUint8(128 + 32 * part + l) >> (2 * quarter)) & 3;
      const q = nibble(ql, quarter >= 2) + 16 * high - 32;
      return half(208) * block.getInt8(192 + 8 * part + 2 * quarter + (l >> 4)) * q;
    }
  }
}

/**
 * `count` blocks of random bytes. The float16 numbers of a block get an exponent below 31, so that all values
 * are finite; the same for the 32-bit and bfloat16 types, whose exponent is in their last byte, and for
 * MXFP4, whose exponent is the first.
 *
 * @param size "small": float16 numbers below 2^-7, so that a model computes with its weights
 */
export function randomBlocks(type: BlockType, count: number, random: () => number, size: "any" | "small" = "any"): Uint8Array {
  const { bytes } = BLOCKS[type];
  const data = Uint8Array.from({ length: count * bytes }, () => Math.floor(random() * 256));
  for (let at = 0; at < data.length; at += bytes) {
    for (const half of HALVES[type]) data[at + half + 1]! &= size === "any" ? 0xbf : 0x9f;
    if (type === "MXFP4") data[at]! &= size === "any" ? 0x9f : 0x7b;
    if (type === "F32" || type === "BF16") data[at + bytes - 1]! &= 0xbf;
  }
  return data;
}
