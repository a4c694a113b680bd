/**
 * Integers in 32-bit words, as compressed-tensors stores `weight_packed` (its `compressors/pack_quantized/helpers.py`).
 *
 *   word w of a row, b bits per code u = q + 2^(b-1), n = 32/b codes per word:
 *
 *     bit  31            ...            2b        b         0
 *          +--------------+-------+------+---------+---------+
 *          | u[n w + n-1] |  ...  |      | u[nw+1] |  u[nw]  |
 *          +--------------+-------+------+---------+---------+
 *
 * Rows whose length is not a multiple of n would end in padding; no layer this package quantizes has such a row.
 */
/** Bits per weight in a packed word. */
export type WeightBits = 4 | 8;

/** int8[rows, K] -> i32[rows, K * bits / 32]. K is a multiple of 32 / bits. */
export function packInt32(q: Int8Array, bits: WeightBits): Int32Array {
  const words = new Int32Array((q.length * bits) / 32);
  if (bits === 4) {
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

/** i32[rows, K * bits / 32] -> int8[rows, K]. */
export function unpackInt32(words: Int32Array, bits: WeightBits): Int8Array {
  const perWord = 32 / bits;
  const offset = 2 ** (bits - 1);
  const mask = 2 ** bits - 1;
  const q = new Int8Array(words.length * perWord);
  for (let w = 0, i = 0; w < words.length; w++) {
    for (let shift = 0; shift < 32; shift += bits) q[i++] = ((words[w]! >>> shift) & mask) - offset;
  }
  return q;
}

/**
 * @param words i32[rows, K * bits / 32]
 * @param scales f32[rows, K / groupSize]
 * @returns f32[rows, K] = scale * q, rounded once
 */
export function dequantizeWords(words: Int32Array, bits: WeightBits, scales: Float32Array, groupSize: number): Float32Array {
  const q = unpackInt32(words, bits);
  const values = new Float32Array(q.length);
  for (let group = 0; group < scales.length; group++) {
    const scale = scales[group]!;
    for (let i = group * groupSize; i < (group + 1) * groupSize; i++) values[i] = scale * q[i]!;
  }
  return values;
}
