/** Llama 3's scaling of rotary frequencies as divisors of each, which a GGUF has in `rope_freqs.weight`. */
import type { RopeScaling } from "../../architecture/model-config.ts";

/**
 * As llama.cpp's converter computes them (`conversion/llama.py`, `generate_extra_tensors`).
 *
 * @param R rotary dimension
 * @returns R/2 of them
 */
export function llama3Divisors(
  { factor, lowFreqFactor, highFreqFactor, originalContextLength }: Extract<RopeScaling, { kind: "llama3" }>,
  theta: number,
  R: number,
): number[] {
  return Array.from({ length: R / 2 }, (_, i) => {
    const wavelength = 2 * Math.PI * power(theta, (2 * i) / R);
    if (wavelength < originalContextLength / highFreqFactor) return 1;
    if (wavelength > originalContextLength / lowFreqFactor) return factor;
    const smooth = (originalContextLength / wavelength - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
    return 1 / ((1 - smooth) / factor + smooth);
  });
}

/**
 * base^exponent for an exponent from 0 to 1, by square roots, which are the same in every engine: the product
 * of base^(2^-k) over the bits of the exponent.
 */
function power(base: number, exponent: number): number {
  let [result, root, rest] = [1, base, exponent];
  for (let bit = 0; bit < 53 && rest > 0; bit++) {
    root = Math.sqrt(root);
    rest *= 2;
    if (rest < 1) continue;
    rest -= 1;
    result *= root;
  }
  return result;
}
