/**
 * The 4-bit float E2M1 (OCP Microscaling Formats 1.0, section 5.3.3), as twice its value: an integer.
 *
 *   code      0    1    2    3    4    5    6    7    8 .. 15
 *   value     0    0.5  1    1.5  2    3    4    6    the negatives of these
 *   doubled   0    1    2    3    4    6    8    12
 */
const MAGNITUDES: readonly number[] = [0, 1, 2, 3, 4, 6, 8, 12];

/** Twice the value of each code. */
export const E2M1_DOUBLED: Int8Array = Int8Array.of(...MAGNITUDES, ...MAGNITUDES.map((magnitude) => -magnitude));

/** The code of a doubled value in -12..12 that has one; 0 takes code 0. */
export function encodeDoubled(doubled: number): number {
  return doubled < 0 ? 8 + MAGNITUDES.indexOf(-doubled) : MAGNITUDES.indexOf(doubled);
}
