/**
 * Stored tensor bytes to float32: plain floats and the block formats of ggml (`src/ggml-common.h`; values as
 * in gguf-py `quants.py`, whose float32 results these equal bit for bit).
 *
 * Why no operation is rounded here by hand: a float16 has 11 significant bits between 2^-24 and 2^15. Times a
 * 6-bit scale times a 5-bit quant it still fits float32 exactly, and the one addition of a format, of such a
 * product and a minimum, spans at most 51 bits and is exact in float64. So the only rounding is the store
 * into the Float32Array, as in numpy.
 *
 * Below, d and m are float16 little-endian, qs holds two 4-bit quants per byte: low nibbles first half, high
 * nibbles second half.
 */
import { UnsupportedModelError } from "../../errors.ts";
import type { TensorType } from "../checkpoint.ts";
import { f16Values } from "../formats/float-formats.ts";

/** Fills `out`, as many elements as it has, from the blocks at the start of `bytes`. */
type Dequantize = (bytes: Uint8Array, out: Float32Array) => void;

/**
 * @param bytes whole blocks, `out.length` elements of them
 * @throws UnsupportedModelError for integer types
 */
export function dequantize(type: TensorType, bytes: Uint8Array, out: Float32Array): void {
  const format = FORMATS[type];
  if (format === undefined) throw new UnsupportedModelError(`tensor type: got ${type}, need floats or quantized blocks`);
  format(bytes, out);
}

const FORMATS: { readonly [type in TensorType]?: Dequantize } = {
  F32: (bytes, out) => {
    const view = viewOf(bytes);
    for (let i = 0; i < out.length; i++) out[i] = view.getFloat32(4 * i, true);
  },
  F64: (bytes, out) => {
    const view = viewOf(bytes);
    for (let i = 0; i < out.length; i++) out[i] = view.getFloat64(8 * i, true);
  },
  F16: (bytes, out) => {
    const half = f16Values();
    for (let i = 0; i < out.length; i++) out[i] = half[bytes[2 * i]! | (bytes[2 * i + 1]! << 8)]!;
  },
  BF16: (bytes, out) => {
    const bits = new Uint32Array(out.buffer, out.byteOffset, out.length);
    for (let i = 0; i < bits.length; i++) bits[i] = (bytes[2 * i]! << 16) | (bytes[2 * i + 1]! << 24);
  },

  /** d | i8 qs[32] */
  Q8_0: (bytes, out) => {
    const half = f16Values();
    const quants = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let i = 0, at = 0; i < out.length; i += 32, at += 34) {
      const d = half[bytes[at]! | (bytes[at + 1]! << 8)]!;
      for (let j = 0; j < 32; j++) out[i + j] = d * quants[at + 2 + j]!;
    }
  },

  /** d | qs[16]; d * (q - 8) */
  Q4_0: (bytes, out) => {
    const half = f16Values();
    for (let i = 0, at = 0; i < out.length; i += 32, at += 18) {
      const d = half[bytes[at]! | (bytes[at + 1]! << 8)]!;
      for (let j = 0; j < 16; j++) {
        const pair = bytes[at + 2 + j]!;
        out[i + j] = d * ((pair & 15) - 8);
        out[i + j + 16] = d * ((pair >> 4) - 8);
      }
    }
  },

  /** d | m | qs[16]; d * q + m */
  Q4_1: (bytes, out) => {
    const half = f16Values();
    for (let i = 0, at = 0; i < out.length; i += 32, at += 20) {
      const d = half[bytes[at]! | (bytes[at + 1]! << 8)]!;
      const m = half[bytes[at + 2]! | (bytes[at + 3]! << 8)]!;
      for (let j = 0; j < 16; j++) {
        const pair = bytes[at + 4 + j]!;
        out[i + j] = d * (pair & 15) + m;
        out[i + j + 16] = d * (pair >> 4) + m;
      }
    }
  },

  /** d | u32 qh, bit j is the fifth of quant j | qs[16]; d * (q - 16) */
  Q5_0: (bytes, out) => {
    const half = f16Values();
    const view = viewOf(bytes);
    for (let i = 0, at = 0; i < out.length; i += 32, at += 22) {
      const d = half[view.getUint16(at, true)]!;
      const high = view.getUint32(at + 2, true);
      for (let j = 0; j < 16; j++) {
        const pair = bytes[at + 6 + j]!;
        out[i + j] = d * (((pair & 15) | (((high >>> j) & 1) << 4)) - 16);
        out[i + j + 16] = d * (((pair >> 4) | (((high >>> (j + 16)) & 1) << 4)) - 16);
      }
    }
  },

  /** d | m | u32 qh | qs[16]; d * q + m */
  Q5_1: (bytes, out) => {
    const half = f16Values();
    const view = viewOf(bytes);
    for (let i = 0, at = 0; i < out.length; i += 32, at += 24) {
      const d = half[view.getUint16(at, true)]!;
      const m = half[view.getUint16(at + 2, true)]!;
      const high = view.getUint32(at + 4, true);
      for (let j = 0; j < 16; j++) {
        const pair = bytes[at + 8 + j]!;
        out[i + j] = d * ((pair & 15) | (((high >>> j) & 1) << 4)) + m;
        out[i + j + 16] = d * ((pair >> 4) | (((high >>> (j + 16)) & 1) << 4)) + m;
      }
    }
  },

  /** d | dmin | scales[12] | qs[128]; d * scale * q - dmin * min */
  Q4_K: (bytes, out) => {
    const half = f16Values();
    for (let i = 0, at = 0; i < out.length; i += 256, at += 144) {
      const d = half[bytes[at]! | (bytes[at + 1]! << 8)]!;
      const dmin = half[bytes[at + 2]! | (bytes[at + 3]! << 8)]!;
      for (let s = 0; s < 8; s++) {
        const scale = d * subBlockScale(bytes, at + 4, s);
        const min = dmin * subBlockMin(bytes, at + 4, s);
        const qs = at + 16 + 32 * (s >> 1);
        const shift = 4 * (s & 1);
        for (let j = 0; j < 32; j++) out[i + 32 * s + j] = scale * ((bytes[qs + j]! >> shift) & 15) - min;
      }
    }
  },

  /**
   * d | dmin | scales[12] | qh[32], bit s of byte j is the fifth of quant j of sub-block s | qs[128]; as Q4_K
   */
  Q5_K: (bytes, out) => {
    const half = f16Values();
    for (let i = 0, at = 0; i < out.length; i += 256, at += 176) {
      const d = half[bytes[at]! | (bytes[at + 1]! << 8)]!;
      const dmin = half[bytes[at + 2]! | (bytes[at + 3]! << 8)]!;
      for (let s = 0; s < 8; s++) {
        const scale = d * subBlockScale(bytes, at + 4, s);
        const min = dmin * subBlockMin(bytes, at + 4, s);
        const qs = at + 48 + 32 * (s >> 1);
        const shift = 4 * (s & 1);
        for (let j = 0; j < 32; j++) {
          const q = ((bytes[qs + j]! >> shift) & 15) | (((bytes[at + 16 + j]! >> s) & 1) << 4);
          out[i + 32 * s + j] = scale * q - min;
        }
      }
    }
  },

  /**
   * ql[128] | qh[64] | i8 scales[16] | d; two halves of 128, each four runs of 32 sharing their bytes;
   * d * scale * (q - 32)
   */
  Q6_K: (bytes, out) => {
    const half = f16Values();
    const signed = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let i = 0, at = 0; i < out.length; i += 256, at += 210) {
      const d = half[bytes[at + 208]! | (bytes[at + 209]! << 8)]!;
      for (let run = 0; run < 8; run++) {
        const quarter = run & 3;
        const low = at + 64 * (run >> 2) + 32 * (quarter & 1);
        const lowShift = 4 * (quarter >> 1);
        const high = at + 128 + 32 * (run >> 2);
        const highShift = 2 * quarter;
        for (let j = 0; j < 32; j++) {
          const q = ((bytes[low + j]! >> lowShift) & 15) | (((bytes[high + j]! >> highShift) & 3) << 4);
          const scale = d * signed[at + 192 + 2 * run + (j >> 4)]!;
          out[i + 32 * run + j] = scale * (q - 32);
        }
      }
    }
  },
};

/** 6-bit scale of sub-block s from the 12 packed bytes of a K block (ggml `get_scale_min_k4`). */
function subBlockScale(bytes: Uint8Array, at: number, s: number): number {
  return s < 4 ? bytes[at + s]! & 63 : (bytes[at + s + 4]! & 15) | ((bytes[at + s - 4]! >> 6) << 4);
}

/** 6-bit minimum of sub-block s, likewise. */
function subBlockMin(bytes: Uint8Array, at: number, s: number): number {
  return s < 4 ? bytes[at + s + 4]! & 63 : (bytes[at + s + 4]! >> 4) | ((bytes[at + s]! >> 6) << 4);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
