/**
 * After rounding: coordinate descent on codes and scales under the whole Hessian (`refine-codes.ts` among the
 * kernels).
 */
import { NULL } from "../../kernels/pointer.ts";
import { joinRows, largestCode, type QuantizedRows } from "./quantize-weights.ts";
import { factorStride, type GptqMemory, rowsOfBlock } from "./rounding-memory.ts";
import { SCALE_STORAGE } from "../recipe/scale-type.ts";

/**
 * @param memory with the Hessian expanded (`expandHessian`)
 * @param weight f32[rows, K] that was rounded to `rounded`
 * @returns rows whose error e H e^T is no larger
 */
export function refineRows(
  { kernels, regions }: GptqMemory,
  weight: Float32Array,
  rounded: QuantizedRows,
  passes: number,
): QuantizedRows {
  const { K, G, type, scaleType } = rounded;
  const block = rowsOfBlock(K);
  const blocks: QuantizedRows[] = [];
  for (let begin = 0; begin < rounded.rows; begin += block) {
    const rows = Math.min(block, rounded.rows - begin);
    const [codes, scales] = [kernels.u8(regions.codes, rows * K), kernels.f32(regions.scales, (rows * K) / G)];
    kernels.f32(regions.weights, rows * K).set(weight.subarray(begin * K, (begin + rows) * K));
    codes.set(rounded.q.subarray(begin * K, (begin + rows) * K));
    scales.set(rounded.scale.subarray((begin * K) / G, ((begin + rows) * K) / G));
    kernels.split(
      "refine_codes_f32",
      Math.ceil(rows / 8),
      regions.weights,
      regions.factor,
      regions.scales,
      NULL,
      NULL,
      regions.codes,
      regions.errors,
      regions.gradients,
      rows,
      K,
      factorStride(K),
      G,
      largestCode(type),
      SCALE_STORAGE[scaleType].kernelCode,
      passes,
    );
    blocks.push({ ...rounded, rows, q: new Int8Array(codes.slice().buffer), scale: scales.slice() });
  }
  return joinRows(blocks, rounded);
}
