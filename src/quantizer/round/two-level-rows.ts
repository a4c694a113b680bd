/**
 * Weights to 4-bit codes with scales and minima in two levels (`checkpoint/quantization/two-level.ts`):
 *
 *   w ~ step * u - low,   u in 0..15,   step = d * sc,   low = dmin * mn,   sc in 1..255, mn in 0..255
 *
 * Steps and lows are found for each group in floats first. Then a superblock's multipliers are those of its
 * largest step and low, rounded to their storage, sc and mn the nearest of what is left, and codes the
 * nearest under these. A whole minimum has no sign, so groups of weights above zero are rounded from zero.
 */
import {
  expandLevels,
  LARGEST_LEVEL,
  superblockOf,
  TWO_LEVEL_GROUP,
  type TwoLevels,
} from "../../checkpoint/quantization/two-level.ts";
import { RecipeError } from "../../errors.ts";
import { SCALE_STORAGE, type ScaleType } from "../recipe/scale-type.ts";
import type { RowFormat } from "./quantize-weights.ts";

/** Rows of a weight as codes and levels. */
export interface TwoLevelRows extends RowFormat {
  readonly rows: number;
  /** u - 8, int8[rows, K] */
  readonly q: Int8Array;
  readonly levels: TwoLevels;
}

/** What groups of weights are to be rounded by, f32[rows, K/32] each. */
export interface GroupLines {
  readonly steps: Float32Array;
  readonly lows: Float32Array;
  /** The code at which a line stays where it is when its step changes: the mean of the group's codes. */
  readonly centers: Float32Array;
}

const G = TWO_LEVEL_GROUP;
const TOP = 15;
/** What the largest step or low becomes, so that 16 bits of a multiplier cannot make it one too many. */
const LARGEST_SET = LARGEST_LEVEL - 1;
/** Adding and taking away 1.5 * 2^52 leaves the nearest integer, ties to even. */
const ROUND = 1.5 * 2 ** 52;

export function roundHalfEven(x: number): number {
  return x + ROUND - ROUND;
}

/** Lines that just cover the weights of each group, and zero where all of them are above it. */
export function nearestLines(weight: Float32Array): GroupLines {
  const count = weight.length / G;
  const [steps, lows] = [new Float32Array(count), new Float32Array(count)];
  for (let group = 0; group < count; group++) {
    let [least, most] = [0, -Infinity];
    for (let i = group * G; i < (group + 1) * G; i++) {
      least = Math.min(least, weight[i]!);
      most = Math.max(most, weight[i]!);
    }
    steps[group] = (most - least) / TOP;
    lows[group] = -least;
  }
  return { steps, lows, centers: new Float32Array(count).fill(TOP / 2) };
}

/**
 * Lines in whole numbers times multipliers. The sign of a row's steps is that of its multipliers.
 *
 * @param lines steps of a superblock of one sign, lows too, of any magnitude; 0 is no step and becomes the
 *   smallest there is
 * @throws RecipeError for a multiplier that its storage cannot hold
 */
export function roundLevels({ steps, lows, centers }: GroupLines, K: number, scaleType: ScaleType): TwoLevels {
  const blockGroups = superblockOf(K) / G;
  const [scales, minima] = [new Uint8Array(steps.length), new Uint8Array(steps.length)];
  const multipliers = new Float32Array((2 * steps.length) / blockGroups);
  for (let begin = 0; begin < steps.length; begin += blockGroups) {
    const end = begin + blockGroups;
    const at = (2 * begin) / blockGroups;
    const d = multiplierOf(steps, begin, end, scaleType) || 1;
    const left = new Float64Array(blockGroups);
    for (let group = begin; group < end; group++) {
      const scale = Math.min(Math.max(roundHalfEven(steps[group]! / d), 1), LARGEST_LEVEL);
      scales[group] = scale;
      left[group - begin] = lows[group]! + (scale * d - steps[group]!) * centers[group]!;
    }
    const dmin = multiplierOf(left, 0, blockGroups, scaleType) || 1;
    left.forEach((low, i) => (minima[begin + i] = Math.min(Math.max(roundHalfEven(low / dmin), 0), LARGEST_LEVEL)));
    multipliers[at] = d;
    multipliers[at + 1] = dmin;
  }
  return { scales, minima, multipliers };
}

/** The multiplier for the value of the largest magnitude; 0 where all are so small that there is none. */
function multiplierOf(values: Float32Array | Float64Array, begin: number, end: number, scaleType: ScaleType): number {
  let largest = 0;
  for (let i = begin; i < end; i++) if (Math.abs(values[i]!) > Math.abs(largest)) largest = values[i]!;
  const multiplier = SCALE_STORAGE[scaleType].round(largest / LARGEST_SET);
  if (Number.isFinite(multiplier)) return multiplier;
  throw new RecipeError(`scales in ${scaleType}: got a weight range of ${largest}, which needs one above their range; need bf16`);
}

/** Codes nearest to the weights under given levels. */
export function roundToLevels(weight: Float32Array, levels: TwoLevels, format: RowFormat): TwoLevelRows {
  const { steps, lows } = expandLevels(levels, format.K);
  const q = new Int8Array(weight.length);
  for (let group = 0; group < steps.length; group++) {
    const [step, low] = [steps[group]!, lows[group]!];
    for (let i = group * G; i < (group + 1) * G; i++) {
      const code = roundHalfEven((weight[i]! + low) / step);
      q[i] = (code > TOP ? TOP : code < 0 ? 0 : code) - 8;
    }
  }
  return { ...format, rows: weight.length / format.K, q, levels };
}

/** step * u - low, f32[rows, K], rounded as every reader of the checkpoint does. */
export function dequantizeLevels({ q, levels, K }: TwoLevelRows): Float32Array {
  const { steps, lows } = expandLevels(levels, K);
  const weight = new Float32Array(q.length);
  for (let i = 0; i < q.length; i++) weight[i] = steps[i >> 5]! * (q[i]! + 8) - lows[i >> 5]!;
  return weight;
}
