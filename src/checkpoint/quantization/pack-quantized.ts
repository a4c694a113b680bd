/**
 * Codes of weights in 32-bit words, as compressed-tensors stores `weight_packed` (its
 * `compressors/pack_quantized/helpers.py`).
 *
 *   word w of a row, b bits per code u, n = 32/b codes per word:
 *
 *     bit  31            ...            2b        b         0
 *          +--------------+-------+------+---------+---------+
 *          | u[n w + n-1] |  ...  |      | u[nw+1] |  u[nw]  |
 *          +--------------+-------+------+---------+---------+
 *
 *   int4, int8   u = q + 2^(b-1), w = scale * q
 *   int4m        the same codes, w = scale * u - minimum, both in two levels (`two-level.ts`)
 *   fp4          u the code of E2M1, w = scale * E2M1(u) = (scale / 2) * q, where q is twice the value and an
 *                integer (`e2m1.ts`)
 *
 * A row whose length is no multiple of n ends in codes u = 0, which stand for nothing.
 */
import { E2M1_DOUBLED, encodeDoubled } from "../formats/e2m1.ts";

/** Symmetric integers of 4 or 8 bits, 4-bit floats (E2M1), or integers of 4 bits with scales and minima. */
export type WeightType = "int4" | "fp4" | "int8" | "int4m";

/** Bits per weight in a packed word. */
export const WEIGHT_BITS: Readonly<Record<WeightType, 4 | 8>> = { int4: 4, fp4: 4, int8: 8, int4m: 4 };

/**
 * The name `quantization_config` has for the packing. compressed-tensors has no name for 4-bit floats with
 * scales of f32 or 16 bits (its own have scales of 8 bits), nor for scales and minima in two levels, so they
 * have one that its readers refuse rather than take for something else.
 */
export const WEIGHT_FORMATS: Readonly<Record<WeightType, string>> = {
  int4: "pack-quantized",
  fp4: "fp4-pack-quantized",
  int8: "pack-quantized",
  int4m: "int4m-pack-quantized",
};

/**
 * The same for modules whose floats are stored as [in_features, out_features] (`Conv1D` of GPT-2): their
 * packed weights are [out_features, in_features] as everyone's, so readers that know only `Linear`, and would
 * take the one for the other, have to refuse.
 */
export const CONV1D_FORMATS: Readonly<Record<WeightType, string>> = {
  int4: "conv1d-pack-quantized",
  fp4: "conv1d-fp4-pack-quantized",
  int8: "conv1d-pack-quantized",
  int4m: "conv1d-int4m-pack-quantized",
};

/** `weight_scale` as a multiple of the scale of q. */
export const STORED_SCALES: Readonly<Record<WeightType, 1 | 2>> = { int4: 1, fp4: 2, int8: 1, int4m: 1 };

/** Words of a row of K codes. */
export function wordsOfRow(K: number, type: WeightType): number {
  return Math.ceil((K * WEIGHT_BITS[type]) / 32);
}

/** int8[rows, K] -> i32[rows, ceil(K * bits / 32)]. */
export function packRows(q: Int8Array, type: WeightType, K: number): Int32Array {
  const padded = (wordsOfRow(K, type) * 32) / WEIGHT_BITS[type];
  if (padded === K) return packInt32(q, type);
  const rows = q.length / K;
  // The code u = 0.
  const wide = new Int8Array(rows * padded).fill(type === "fp4" ? 0 : -(2 ** (WEIGHT_BITS[type] - 1)));
  for (let row = 0; row < rows; row++) wide.set(q.subarray(row * K, (row + 1) * K), row * padded);
  return packInt32(wide, type);
}

/** The same for whole words: int8[n * 32 / bits] -> i32[n]. */
export function packInt32(q: Int8Array, type: WeightType): Int32Array {
  const words = new Int32Array((q.length * WEIGHT_BITS[type]) / 32);
  if (type === "fp4") {
    const codes = Uint8Array.from({ length: 25 }, (_, i) => encodeDoubled(i - 12));
    for (let w = 0, i = 0; w < words.length; w++) {
      for (let shift = 0; shift < 32; shift += 4) words[w]! |= codes[q[i++]! + 12]! << shift;
    }
  } else if (type !== "int8") {
    for (let w = 0, i = 0; w < words.length; w++, i += 8) {
      words[w] =
        (q[i]! + 8) |
        ((q[i + 1]! + 8) << 4) |
        ((q[i + 2]! + 8) << 8) |
        ((q[i + 3]! + 8) << 12) |
        ((q[i + 4]! + 8) << 16) |
        ((q[i + 5]! + 8) << 20) |
        ((q[i + 6]! + 8) << 24) |
        ((q[i + 7]! + 8) << 28);
    }
  } else {
    for (let w = 0, i = 0; w < words.length; w++, i += 4) {
      words[w] = (q[i]! + 128) | ((q[i + 1]! + 128) << 8) | ((q[i + 2]! + 128) << 16) | ((q[i + 3]! + 128) << 24);
    }
  }
  return words;
}

/** i32[n] -> int8[n * 32 / bits]. */
export function unpackInt32(words: Int32Array, type: WeightType): Int8Array {
  const bits = WEIGHT_BITS[type];
  const perWord = 32 / bits;
  const offset = 2 ** (bits - 1);
  const mask = 2 ** bits - 1;
  const q = new Int8Array(words.length * perWord);
  for (let w = 0, i = 0; w < words.length; w++) {
    for (let shift = 0; shift < 32; shift += bits) {
      const code = (words[w]! >>> shift) & mask;
      q[i++] = type === "fp4" ? E2M1_DOUBLED[code]! : code - offset;
    }
  }
  return q;
}

/** Rows of K codes as they are stored. */
export interface PackedRows {
  readonly K: number;
  readonly type: WeightType;
  /** Weights of a row that share a scale; divides K. */
  readonly groupSize: number;
}

/**
 * @param words i32[rows, ceil(K * bits / 32)]
 * @param scales f32[rows, K / groupSize] as stored
 * @returns f32[rows, K] = scale * q, or scale * E2M1, rounded once
 */
export function dequantizeWords(words: Int32Array, scales: Float32Array, { K, type, groupSize }: PackedRows): Float32Array {
  const q = unpackInt32(words, type);
  const groups = K / groupSize;
  const rows = scales.length / groups;
  const padded = q.length / rows;
  const values = new Float32Array(rows * K);
  for (let group = 0; group < scales.length; group++) {
    const scale = scales[group]! / STORED_SCALES[type];
    const begin = Math.floor(group / groups) * (padded - K);
    for (let i = group * groupSize; i < (group + 1) * groupSize; i++) values[i] = scale * q[begin + i]!;
  }
  return values;
}
