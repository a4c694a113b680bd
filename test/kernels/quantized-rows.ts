/** Rows of integer activations as the definition has them, and the sums quantization writes beside them. */
import type { QuantizedRows } from "../oracle/linear.ts";

/** All values of an activation: -128, which a static scale reaches, to 127; 14 bits are symmetric. */
export const rangeOf = (bits: 8 | 14) => (bits === 8 ? ([-128, 127] as const) : ([-8191, 8191] as const));

/** Seeded rows with an all-zero row of scale 0 and rows at both ends of the range. */
export function randomRows(random: () => number, M: number, K: number, bits: 8 | 14): QuantizedRows {
  const [low, high] = rangeOf(bits);
  const value = () => low + Math.floor(random() * (high - low + 1));
  const q = bits === 8 ? Int8Array.from({ length: M * K }, value) : Int16Array.from({ length: M * K }, value);
  const scales = Float32Array.from({ length: M }, () => 10 ** (3 * random() - 3));
  if (M > 1) q.fill(high, K, 2 * K);
  if (M > 2) q.fill(low, 2 * K, 3 * K);
  if (M > 3) q.fill((scales[3] = 0), 3 * K, 4 * K);
  return { M, q, scales };
}

/** i32[M, K/G]: -8 times the sum of each group. */
export function groupSums({ q }: QuantizedRows, G: number): Int32Array {
  const sums = new Int32Array(q.length / G);
  for (const [i, value] of q.entries()) sums[Math.floor(i / G)]! -= 8 * value;
  return sums;
}
