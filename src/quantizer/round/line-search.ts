/** Steps and minima of least square error for 4-bit codes, and weights rounded to them in two levels. */
import { TWO_LEVEL_GROUP } from "../../checkpoint/quantization/two-level.ts";
import { NULL } from "../../kernels/pointer.ts";
import type { RowFormat } from "./quantize-weights.ts";
import { type RoundingMemory, rowsOfBlock } from "./rounding-memory.ts";
import { type GroupLines, roundLevels, roundToLevels, type TwoLevelRows } from "./two-level-rows.ts";

/**
 * Finds the line of each group, the square error of each channel counted by its importance.
 *
 * @param weight f32[rows, K] of finite values
 * @param importance f32[K]; undefined for all the same
 */
export function searchLines(
  { kernels, regions }: RoundingMemory,
  weight: Float32Array,
  importance: Float32Array | undefined,
  K: number,
): GroupLines {
  const { weights, scales, lows, centers } = regions;
  if (importance) kernels.f32(regions.importance, K).set(importance);
  const count = weight.length / TWO_LEVEL_GROUP;
  const lines = { steps: new Float32Array(count), lows: new Float32Array(count), centers: new Float32Array(count) };
  const elements = rowsOfBlock(K) * K;
  for (let begin = 0; begin < weight.length; begin += elements) {
    const block = weight.subarray(begin, begin + elements);
    kernels.f32(weights, block.length).set(block);
    const pointer = importance ? regions.importance : NULL;
    kernels.split("search_lines_f32", block.length / K, weights, pointer, scales, lows, centers, K);
    const groups = block.length / TWO_LEVEL_GROUP;
    lines.steps.set(kernels.f32(scales, groups), begin / TWO_LEVEL_GROUP);
    lines.lows.set(kernels.f32(lows, groups), begin / TWO_LEVEL_GROUP);
    lines.centers.set(kernels.f32(centers, groups), begin / TWO_LEVEL_GROUP);
  }
  return lines;
}

/** Rounds weights to nearest on the lines that were found, in whole numbers. */
export function searchLevels(
  memory: RoundingMemory,
  weight: Float32Array,
  importance: Float32Array | undefined,
  format: RowFormat,
): TwoLevelRows {
  const lines = searchLines(memory, weight, importance, format.K);
  return roundToLevels(weight, roundLevels(lines, format.K, format.scaleType), format);
}
