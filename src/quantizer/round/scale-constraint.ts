/**
 * Constraints of ZeroQuant-FP (Wu, Yao and He 2023, section 3, "Casting the FP4 to FP8") on the scales of
 * weights, so that hardware can apply them by moving an exponent:
 *
 *   M1  every scale is a power of two                            s' = 2^ceil(log2 s)
 *   M2  those of a row differ by powers of two, s_max as it is   s' = s_max / 2^floor(log2(s_max / s))
 *
 * Neither makes a scale smaller, so every weight stays covered. The paper writes M2 with a ceiling, as M1:
 * that makes scales up to half as large, the largest weights of their groups saturate, and the model is lost
 * (measured in docs/quantization.md). The paper lets several rows share s_max; here it is that of one row.
 */
import { RecipeError } from "../../errors.ts";
import { SCALE_STORAGE, type ScaleType } from "../recipe/scale-type.ts";

export const SCALE_CONSTRAINTS = ["none", "m1", "m2"] as const;
export type ScaleConstraint = (typeof SCALE_CONSTRAINTS)[number];

/**
 * Changes scales in place.
 *
 * @param scale f32[rows, groups] as their type stores them, at least 0; 0 for a group that needs none, and
 *   stays
 * @throws RecipeError where the type cannot hold what the constraint asks for
 */
export function constrainScales(scale: Float32Array, groups: number, constraint: ScaleConstraint, scaleType: ScaleType): void {
  if (constraint === "none") return;
  const { round } = SCALE_STORAGE[scaleType];
  for (let row = 0; row < scale.length; row += groups) {
    const own = scale.subarray(row, row + groups);
    const largest = own.reduce((high, step) => Math.max(high, step), 0);
    own.forEach((step, group) => {
      if (step === 0) return;
      const constrained = constraint === "m1" ? powerOfTwoFrom(step) : largest / powerOfTwoUpTo(largest / step);
      if (round(constrained) !== constrained) {
        throw new RecipeError(
          `scale constraint ${constraint}: got ${constrained}, which scales in ${scaleType} cannot hold; need bf16 or f32`,
        );
      }
      own[group] = constrained;
    });
  }
}

const float64 = new DataView(new ArrayBuffer(8));

/**
 * 2^floor(log2 x) of a normal positive float64, from its bits: the host's logarithm may be off in the last
 * one.
 */
function powerOfTwoUpTo(x: number): number {
  float64.setFloat64(0, x);
  float64.setBigUint64(0, float64.getBigUint64(0) & 0xfff0_0000_0000_0000n);
  return float64.getFloat64(0);
}

/** 2^ceil(log2 x). */
function powerOfTwoFrom(x: number): number {
  const below = powerOfTwoUpTo(x);
  return below === x ? x : 2 * below;
}
