/** Scales of least square error, and codes nearest to the weights under them. */
import type { Kernels } from "../../kernels/kernels.ts";
import { NULL } from "../../kernels/pointer.ts";
import { joinRows, largestCode, type QuantizedRows, type RowFormat, roundToScales } from "./quantize-weights.ts";
import { type RoundingRegions, rowsOfBlock } from "./rounding-memory.ts";
import { SCALE_STORAGE, type ScaleType } from "../recipe/scale-type.ts";

/**
 * @param weight f32[rows, K] of finite values
 * @param importance of an error in each channel, f32[K]; undefined for all the same
 */
export function searchRows(
  kernels: Kernels,
  regions: RoundingRegions,
  weight: Float32Array,
  importance: Float32Array | undefined,
  format: RowFormat,
  scaleType: ScaleType,
): QuantizedRows {
  const { K, G, type } = format;
  if (importance) kernels.f32(regions.importance, K).set(importance);
  const pointer = importance ? regions.importance : NULL;
  const { kernelCode } = SCALE_STORAGE[scaleType];
  const blocks: QuantizedRows[] = [];
  const elements = rowsOfBlock(K) * K;
  for (let begin = 0; begin < weight.length; begin += elements) {
    const block = weight.subarray(begin, begin + elements);
    kernels.f32(regions.weights, block.length).set(block);
    const rows = block.length / K;
    kernels.split("search_scales_f32", rows, regions.weights, pointer, regions.scales, K, G, largestCode(type), kernelCode);
    blocks.push(roundToScales(block, kernels.f32(regions.scales, block.length / G).slice(), K, G, type));
  }
  return joinRows(blocks, format);
}
