/**
 * The range of a static scale by least error over rows of the calibration, in place of the largest magnitude:
 * what a smaller range cuts off is paid for by finer steps for all the rest.
 *
 *   argmin over r in {1/40, ..., 1} max|x|
 *     of sum over rows of (sum over k of h_k^(p/2) |x_k - Q_r(x_k)|^p) / |x|^p
 *
 * Q_r rounds to the codes -127..127 of the scale r / 127, or of 4 bits -7..7 of r / 7. Each token counts
 * relative to its own size, as in `activation-error.ts`; h_k is what the linears make of channel k. p = 2 is
 * the mean square; larger ones, as LR-QAT has them (Bondarenko et al. 2024, section 4), give more weight to
 * what is cut off.
 */
import type { ActivationBits } from "../../checkpoint/quantization/quantization-config.ts";
import type { ActivationRows } from "./activation-error.ts";

/** Exponents p, by the name a recipe has for them. */
export const RANGE_NORMS = ["l2", "l3", "l4"] as const;
export type RangeNorm = (typeof RANGE_NORMS)[number];

const CANDIDATES = 40;
/** They divide the magnitudes: 512 in a step of the largest range, 12 in one of the smallest. */
const BINS = 2 ** 16;

/**
 * @param largest the largest magnitude, of these rows or of more, after equalization
 * @param importance h of each channel, after equalization; all the same if undefined
 * @returns a range of at most `largest`
 */
export function searchRange(
  rows: ActivationRows,
  largest: number,
  norm: RangeNorm,
  importance?: Float64Array,
  bits: ActivationBits = 8,
): number {
  const largestCode = 2 ** (bits - 1) - 1;
  const histogram = magnitudes(rows, largest, norm, importance);
  let [best, least] = [largest, Infinity];
  for (let candidate = CANDIDATES; candidate > 0; candidate--) {
    const range = (largest * candidate) / CANDIDATES;
    const error = errorOf(histogram, largest, { scale: range / largestCode, largestCode }, norm);
    if (error < least) [best, least] = [range, error];
  }
  return best;
}

/** What the linears at an input make of its channels: the sum of squares of each column, f64[K]. */
export function columnEnergy(weights: readonly Float32Array[], K: number, factors: Float32Array | undefined): Float64Array {
  const energy = new Float64Array(K);
  for (const weight of weights) for (let i = 0; i < weight.length; i++) energy[i % K]! += weight[i]! ** 2;
  return factors ? energy.map((sum, k) => sum * factors[k]! ** 2) : energy;
}

/** Weights of all elements by magnitude, f64[BINS] from 0 to `largest`. */
function magnitudes(
  { x, K, factors }: ActivationRows,
  largest: number,
  norm: RangeNorm,
  importance: Float64Array | undefined,
): Float64Array {
  const histogram = new Float64Array(BINS);
  const ofChannel = importance?.map((h) => power(Math.sqrt(h), norm));
  const row = new Float64Array(K);
  for (let begin = 0; begin < x.length; begin += K) {
    let square = 0;
    for (let k = 0; k < K; k++) {
      row[k] = Math.abs(x[begin + k]!) / (factors?.[k] ?? 1);
      square += row[k]! ** 2;
    }
    if (square === 0) continue;
    const ofRow = 1 / power(Math.sqrt(square / K), norm);
    for (let k = 0; k < K; k++) {
      const bin = Math.min(BINS - 1, Math.floor((row[k]! / largest) * BINS));
      histogram[bin]! += ofRow * (ofChannel?.[k] ?? 1);
    }
  }
  return histogram;
}

function errorOf(
  histogram: Float64Array,
  largest: number,
  { scale, largestCode }: { readonly scale: number; readonly largestCode: number },
  norm: RangeNorm,
): number {
  let sum = 0;
  for (let bin = 0; bin < BINS; bin++) {
    if (histogram[bin] === 0) continue;
    const magnitude = ((bin + 0.5) / BINS) * largest;
    const code = Math.min(largestCode, Math.round(magnitude / scale));
    sum += histogram[bin]! * power(Math.abs(magnitude - code * scale), norm);
  }
  return sum;
}

/** By multiplication: the host's powers differ between engines. */
function power(value: number, norm: RangeNorm): number {
  const square = value * value;
  return norm === "l2" ? square : norm === "l3" ? square * value : square * square;
}
