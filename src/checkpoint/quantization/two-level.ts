/**
 * 4-bit weights in two levels (`int4m`): a group of 32 has a whole scale and a whole minimum, a superblock of
 * the row two multipliers of these. As GGUF's Q4_K, with 8 bits in place of 6 and superblocks as long as the
 * kernels take them, mostly a whole row (`assembly/layouts/layout-kept.ts`, qb4mw):
 *
 *   w[n, k] = (d[n, b] * sc[n, g]) * u[n, k] - dmin[n, b] * mn[n, g]        g = k / 32, b = k / B
 *
 *   weight_packed      I32 [N, K/8]              u in 0..15, as `pack-quantized.ts` packs
 *   weight_scale       U8 [N, K/32]              sc
 *   weight_minimum     U8 [N, K/32]              mn
 *   weight_multiplier  BF16, F16 or F32 [N, K/B, 2]    d, dmin; either may be negative
 *
 * In multipliers of 16 bits that is 4.5 + 32/B bits a weight. Multipliers times whole numbers are rounded to
 * f32, which is exact for those of 16 bits, and then the weight is, once (`kept-rows.ts`).
 */

/** Weights that share a whole scale and a whole minimum. */
export const TWO_LEVEL_GROUP = 32 as const;
/** The largest whole scale and minimum. */
export const LARGEST_LEVEL = 255;
/** The longest superblock whose sums stay in 32 bits (`assembly/linear/kept/superblock.ts`). */
const LONGEST_SUPERBLOCK = 4096;

/**
 * The B of rows of K: the longest of equal parts, in whole groups, that is not too long.
 *
 * @param K a multiple of 32
 */
export function superblockOf(K: number): number {
  const groups = K / TWO_LEVEL_GROUP;
  let parts = Math.ceil(K / LONGEST_SUPERBLOCK);
  while (groups % parts !== 0) parts++;
  return K / parts;
}

/** Scales and minima of consecutive rows, each array row by row. */
export interface TwoLevels {
  readonly scales: Uint8Array; // sc, u8[rows, K/32]
  readonly minima: Uint8Array; // mn, u8[rows, K/32]
  readonly multipliers: Float32Array; // d and dmin, f32[rows, K/B, 2]
}

/** Steps d * sc and minima dmin * mn of each group, f32[rows, K/32] both: w = step * u - minimum. */
export function expandLevels({ scales, minima, multipliers }: TwoLevels, K: number): { steps: Float32Array; lows: Float32Array } {
  const groups = superblockOf(K) / TWO_LEVEL_GROUP;
  const at = (group: number) => 2 * Math.floor(group / groups);
  return {
    steps: Float32Array.from(scales, (scale, group) => multipliers[at(group)]! * scale),
    lows: Float32Array.from(minima, (minimum, group) => multipliers[at(group) + 1]! * minimum),
  };
}
