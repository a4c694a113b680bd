/** What weights take in a checkpoint. */
import { WEIGHT_BITS } from "../../checkpoint/quantization/pack-quantized.ts";
import { superblockOf } from "../../checkpoint/quantization/two-level.ts";
import { type Recipe, type RecipeWeights, storedType } from "./recipe.ts";
import { SCALE_STORAGE } from "./scale-type.ts";

/** Bits of a row of weights: K codes, and scales of groups of G, with minima where the type has them. */
export function rowBits(weights: RecipeWeights, K: number, G: number, { scales }: Pick<Recipe, "scales">): number {
  const type = storedType(weights);
  const { bits } = SCALE_STORAGE[scales];
  const ofScales = type === "int4m" ? (2 * 8 * K) / G + (2 * bits * K) / superblockOf(K) : (bits * K) / G;
  return WEIGHT_BITS[type] * K + ofScales;
}
