/**
 * Weights to integers and back: symmetric, round to nearest, one scale per group of a row (FPTQ, section 3.3.2, Equations 3 and 4).
 *
 *   scale = max|w| / (2^(b-1) - 1)      q = clamp(roundHalfEven(w / scale), -2^(b-1), 2^(b-1) - 1)      w ~ scale * q
 *
 * Division and product are rounded to f32, so that the integers are those of any float32 implementation.
 */
import type { WeightBits } from "../checkpoint/pack-quantized.ts";
import { RecipeError } from "../errors.ts";

/** Rows of a weight as integers. G = K means one scale per row. */
export interface QuantizedRows {
  readonly bits: WeightBits;
  readonly rows: number;
  readonly K: number;
  readonly G: number;
  /** int8[rows, K], within -2^(bits-1)..2^(bits-1)-1. */
  readonly q: Int8Array;
  /** f32[rows, K/G], all above 0. */
  readonly scale: Float32Array;
}

/** Where rows come from, for messages. */
export interface RowsOrigin {
  readonly tensor: string;
  readonly firstRow: number;
}

/** Adding and taking away 1.5 * 2^52 leaves the nearest integer, ties to even: that is how f64 addition rounds. */
const ROUND = 1.5 * 2 ** 52;

/**
 * Rounds `weight` f32[rows, K] in groups of G along K.
 *
 * A group of zeros gets scale 1 rather than 0: readers that quantize a loaded weight again (compressed-tensors does when
 * it simulates) divide by the scale.
 *
 * @throws RecipeError naming tensor, row and column of the first NaN or infinity
 */
export function quantizeRows(weight: Float32Array, K: number, G: number, bits: WeightBits, origin: RowsOrigin): QuantizedRows {
  const largestCode = 2 ** (bits - 1) - 1;
  const q = new Int8Array(weight.length);
  const scale = new Float32Array(weight.length / G);
  for (let group = 0; group < scale.length; group++) {
    const begin = group * G;
    const end = begin + G;
    let absmax = 0;
    for (let i = begin; i < end; i++) {
      const magnitude = Math.abs(weight[i]!);
      if (magnitude <= absmax) continue;
      if (!(magnitude < Infinity)) throw notFinite(weight[i]!, i, K, origin);
      absmax = magnitude;
    }
    const step = Math.fround(absmax / largestCode);
    scale[group] = step === 0 ? 1 : step;
    if (step === 0) continue; // also where absmax is so small that its scale underflows: q stays 0
    for (let i = begin; i < end; i++) {
      const code = Math.fround(weight[i]! / step) + ROUND - ROUND;
      q[i] = code > largestCode ? largestCode : code < -largestCode - 1 ? -largestCode - 1 : code;
    }
  }
  return { bits, rows: weight.length / K, K, G, q, scale };
}

/** scale * q, f32[rows, K], each product rounded once: what every reader of the checkpoint computes with. */
export function dequantizeRows({ q, scale, G }: QuantizedRows): Float32Array {
  const weight = new Float32Array(q.length);
  for (let group = 0; group < scale.length; group++) {
    const step = scale[group]!;
    for (let i = group * G; i < (group + 1) * G; i++) weight[i] = q[i]! * step;
  }
  return weight;
}

function notFinite(value: number, index: number, K: number, { tensor, firstRow }: RowsOrigin): RecipeError {
  const position = `[${firstRow + Math.floor(index / K)}, ${index % K}]`;
  return new RecipeError(`${tensor}: ${value} at ${position}; weights must be finite to be quantized`);
}
