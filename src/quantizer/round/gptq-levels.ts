/**
 * GPTQ on codes with scales and minima in two levels. Steps and minima are found first, on the weights as
 * they are; then w ~ step * u - low is w + low - 8 step ~ step * q with q = u - 8, which is the grid of
 * symmetric codes with given scales.
 */
import { expandLevels, TWO_LEVEL_GROUP } from "../../checkpoint/quantization/two-level.ts";
import type { Hessian } from "../calibrate/hessian.ts";
import { hessianDiagonal } from "../calibrate/hessian.ts";
import type { GptqMethod } from "../recipe/rounding-method.ts";
import type { GptqRounder } from "./gptq.ts";
import { searchLines } from "./line-search.ts";
import type { RowFormat, RowsOrigin } from "./quantize-weights.ts";
import type { RoundingMemory } from "./rounding-memory.ts";
import { type GroupLines, nearestLines, roundLevels, type TwoLevelRows } from "./two-level-rows.ts";

/** Finds lines by the search of a method: none, or weighted by the Hessian's diagonal or not. */
export function linesOf(
  memory: RoundingMemory,
  weight: Float32Array,
  hessian: Hessian,
  search: GptqMethod["search"],
): GroupLines {
  if (search === "none") return nearestLines(weight);
  const importance = search === "hessian" ? Float32Array.from(hessianDiagonal(hessian)) : undefined;
  return searchLines(memory, weight, importance, hessian.K);
}

/**
 * @param lines of the weights, as they are to be rounded to whole numbers
 * @throws RecipeError naming tensor, row and column of the first NaN or infinity; or for a multiplier that
 *   its storage cannot hold
 */
export function roundToLines(
  gptq: GptqRounder,
  weight: Float32Array,
  lines: GroupLines,
  format: RowFormat,
  origin: RowsOrigin,
): TwoLevelRows {
  const levels = roundLevels(lines, format.K, format.scaleType);
  const { steps, lows } = expandLevels(levels, format.K);
  const groupOf = (i: number) => Math.floor(i / TWO_LEVEL_GROUP);
  const shifted = weight.map((value, i) => value + (lows[groupOf(i)]! - 8 * steps[groupOf(i)]!));
  const { q, rows } = gptq.round(shifted, format, origin, steps);
  return { ...format, rows, q, levels };
}
