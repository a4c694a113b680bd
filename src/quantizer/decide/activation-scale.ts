/**
 * The scale of activations that share one: linear inputs with a static policy, and k and v in an int8 cache.
 */

import type { ActivationBits } from "../../checkpoint/quantization/quantization-config.ts";

/** Below this a reciprocal overflows; values that small round to zero under any scale. */
const SMALLEST_SCALE = 2 ** -126;

/**
 * real = scale * q with q in -127..127 (FPTQ, Equation 3, b = 8), as f32; of 4 bits in -7..7.
 *
 * @param range max|x| to cover. Where nothing was ever active the scale is 1: every value is 0 then, and 1
 *   divides safely.
 */
export function staticScale(range: number, bits: ActivationBits = 8): number {
  const scale = Math.fround(range / (2 ** (bits - 1) - 1));
  return scale < SMALLEST_SCALE ? 1 : scale;
}
