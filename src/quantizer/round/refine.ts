/**
 * After rounding: coordinate descent on codes and scales under the whole Hessian (`refine-codes.ts` among the
 * kernels).
 */
import { expandLevels, TWO_LEVEL_GROUP } from "../../checkpoint/quantization/two-level.ts";
import { NULL } from "../../kernels/pointer.ts";
import { joinRows, largestCode, type QuantizedRows } from "./quantize-weights.ts";
import { factorStride, type GptqMemory, rowsOfBlock } from "./rounding-memory.ts";
import type { TwoLevelRows } from "./two-level-rows.ts";
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

/** The same for codes in two levels: codes, whole scales and whole minima under given multipliers. */
export function refineLevels(
  { kernels, regions }: GptqMemory,
  weight: Float32Array,
  rounded: TwoLevelRows,
  passes: number,
): TwoLevelRows {
  const { K, type } = rounded;
  const { multipliers } = rounded.levels;
  const { steps, lows } = expandLevels(rounded.levels, K);
  const q = rounded.q.slice();
  const blockGroups = (2 * steps.length) / multipliers.length;
  const quantumOf = (group: number, which: 0 | 1) => multipliers[2 * Math.floor(group / blockGroups) + which]!;
  const block = rowsOfBlock(K);
  for (let row = 0; row < rounded.rows; row += block) {
    const rows = Math.min(block, rounded.rows - row);
    const [first, groups] = [(row * K) / TWO_LEVEL_GROUP, (rows * K) / TWO_LEVEL_GROUP];
    const [ownCodes, ownSteps, ownLows] = [
      q.subarray(row * K, (row + rows) * K),
      steps.subarray(first, first + groups),
      lows.subarray(first, first + groups),
    ];
    kernels.f32(regions.weights, rows * K).set(weight.subarray(row * K, (row + rows) * K));
    kernels.u8(regions.codes, rows * K).set(ownCodes);
    kernels.f32(regions.scales, groups).set(ownSteps);
    kernels.f32(regions.lows, groups).set(ownLows);
    const quanta = kernels.f32(regions.quanta, 2 * groups);
    for (let i = 0; i < quanta.length; i++) quanta[i] = quantumOf(first + (i >> 1), (i & 1) as 0 | 1);
    kernels.split(
      "refine_codes_f32",
      Math.ceil(rows / 8),
      regions.weights,
      regions.factor,
      regions.scales,
      regions.lows,
      regions.quanta,
      regions.codes,
      regions.errors,
      regions.gradients,
      rows,
      K,
      factorStride(K),
      TWO_LEVEL_GROUP,
      largestCode(type),
      SCALE_STORAGE.f32.kernelCode, // they are whole multiples, of any storage
      passes,
    );
    ownCodes.set(new Int8Array(kernels.u8(regions.codes, rows * K).slice().buffer));
    ownSteps.set(kernels.f32(regions.scales, groups));
    ownLows.set(kernels.f32(regions.lows, groups));
  }
  const whole = (values: Float32Array, which: 0 | 1) =>
    Uint8Array.from(values, (value, group) => Math.round(value / quantumOf(group, which)));
  return { ...rounded, q, levels: { scales: whole(steps, 0), minima: whole(lows, 1), multipliers } };
}
