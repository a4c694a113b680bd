/** Scales of least square error, and codes nearest to the weights under them. */
import { NULL } from "../../kernels/pointer.ts";
import { joinRows, largestCode, type QuantizedRows, type RowFormat, roundToScales } from "./quantize-weights.ts";
import { type RoundingMemory, rowsOfBlock } from "./rounding-memory.ts";
import { SCALE_STORAGE } from "../recipe/scale-type.ts";

/**
 * @param weight f32[rows, K] of finite values
 * @param importance of an error in each channel, f32[K]; undefined for all the same
 */
export function searchRows(
  { kernels, regions }: RoundingMemory,
  weight: Float32Array,
  importance: Float32Array | undefined,
  format: RowFormat,
): QuantizedRows {
  const { K, G, type, scaleType } = format;
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
    blocks.push(roundToScales(block, kernels.f32(regions.scales, block.length / G).slice(), format));
  }
  return joinRows(blocks, format);
}
