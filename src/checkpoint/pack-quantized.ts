/**
 * Reading of compressed-tensors' `pack-quantized` words (its `compressors/pack_quantized/helpers.py`): codes are offset binary,
 * u = q + 2^(bits-1), packed along in_features into 32-bit words, the first element in the lowest bits.
 */

/**
 * @param words rows of `K * bits / 32` words; K * bits is a multiple of 32
 * @returns i8[rows, K]
 */
export function unpackWeights(words: Uint32Array, bits: 4 | 8): Int8Array {
  const perWord = 32 / bits;
  const mask = 2 ** bits - 1;
  const offset = 2 ** (bits - 1);
  const q = new Int8Array(words.length * perWord);
  for (let w = 0, i = 0; w < words.length; w++) {
    for (let shift = 0; shift < 32; shift += bits) q[i++] = ((words[w]! >>> shift) & mask) - offset;
  }
  return q;
}

/**
 * @param scales f32[rows, K / groupSize]
 * @returns f32[rows, K] = scale * q, rounded once
 */
export function dequantizeWeights(words: Uint32Array, bits: 4 | 8, scales: Float32Array, groupSize: number): Float32Array {
  const q = unpackWeights(words, bits);
  const values = new Float32Array(q.length);
  for (let group = 0; group < scales.length; group++) {
    const scale = scales[group]!;
    for (let i = group * groupSize; i < (group + 1) * groupSize; i++) values[i] = scale * q[i]!;
  }
  return values;
}
