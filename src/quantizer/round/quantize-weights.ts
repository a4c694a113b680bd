/**
 * Weights to integers and back: symmetric, one scale per group of a row (FPTQ, section 3.3.2, Equations 3 and
 * 4).
 *
 *   scale = max|w| / (2^(b-1) - 1)      q = clamp(roundHalfEven(w / scale), -2^(b-1), 2^(b-1) - 1)
 *   w ~ scale * q
 *
 * So are 4-bit floats (E2M1; ZeroQuant-FP): q is twice the float, an integer, and scale half of the float's
 * own, which covers max|w| with 6:
 *
 *   scale = (max|w| / 6) / 2
 *   q = the nearest of 0, 1, 2, 3, 4, 6, 8, 12 and their negatives, ties to the even code
 *
 * Division and product are rounded to f32, so that the integers are those of any float32 implementation.
 * Scales may also come from elsewhere (`scale-search.ts`), and may then be negative.
 */
import { STORED_SCALES, WEIGHT_BITS, type WeightType } from "../../checkpoint/quantization/pack-quantized.ts";
import { RecipeError } from "../../errors.ts";
import { constrainScales, type ScaleConstraint } from "./scale-constraint.ts";
import { SCALE_STORAGE, type ScaleType } from "../recipe/scale-type.ts";

/** How rows of a weight become integers. */
export interface RowFormat {
  readonly K: number;
  /** Weights along K that share a scale; K for one scale per row. */
  readonly G: number;
  readonly type: WeightType;
  /** How scales are stored. */
  readonly scaleType: ScaleType;
  /** What they keep to. */
  readonly constraint: ScaleConstraint;
}

/** Rows of a weight as integers. */
export interface QuantizedRows extends RowFormat {
  readonly rows: number;
  /** int8[rows, K] */
  readonly q: Int8Array;
  /** f32[rows, K/G], none of them 0. */
  readonly scale: Float32Array;
}

/** Where rows come from, for messages. */
export interface RowsOrigin {
  readonly tensor: string;
  readonly firstRow: number;
}

/**
 * Adding and taking away 1.5 * 2^52 leaves the nearest integer, ties to even: that is how f64 addition
 * rounds.
 */
const ROUND = 1.5 * 2 ** 52;

/** 7, 127, or 12 for floats: the kernels know the grid by it (`assembly/rounding/code-grid.ts`). */
export function largestCode(type: WeightType): number {
  return type === "fp4" ? 12 : 2 ** (WEIGHT_BITS[type] - 1) - 1;
}

/**
 * Rounds `weight` f32[rows, K] to nearest in groups of G along K.
 *
 * @throws RecipeError naming tensor, row and column of the first NaN or infinity
 */
export function quantizeRows(weight: Float32Array, format: RowFormat, origin: RowsOrigin): QuantizedRows {
  checkFinite(weight, format.K, origin);
  return roundToScales(weight, nearestScales(weight, format), format);
}

/**
 * The scale of each group that just covers its largest magnitude, as far as a constraint lets it, f32[rows,
 * K/G].
 *
 * A group of zeros gets scale 1 rather than 0: readers that quantize a loaded weight again
 * (compressed-tensors does when it simulates) divide by the scale. So does one so small that its scale
 * underflows.
 *
 * @throws RecipeError for a weight whose scale the type cannot hold
 */
export function nearestScales(weight: Float32Array, { K, G, type, scaleType, constraint }: RowFormat): Float32Array {
  const ratio = STORED_SCALES[type];
  const top = largestCode(type) / ratio;
  const { round } = SCALE_STORAGE[scaleType];
  const scale = new Float32Array(weight.length / G);
  for (let group = 0; group < scale.length; group++) {
    let absmax = 0;
    for (let i = group * G; i < (group + 1) * G; i++) absmax = Math.max(absmax, Math.abs(weight[i]!));
    const step = round(absmax / top);
    if (step === Infinity)
      throw new RecipeError(`scales in ${scaleType}: got a weight of ${absmax}, which needs one above their range; need bf16`);
    scale[group] = step;
  }
  constrainScales(scale, K / G, constraint, scaleType);
  return scale.map((step) => (step || 1) / ratio);
}

/** Codes nearest to `weight` under scales f32[rows, K/G]. */
export function roundToScales(weight: Float32Array, scale: Float32Array, format: RowFormat): QuantizedRows {
  const { K, G, type } = format;
  const top = largestCode(type);
  const low = type === "fp4" ? -top : -top - 1;
  const q = new Int8Array(weight.length);
  for (let group = 0; group < scale.length; group++) {
    const step = scale[group]!;
    for (let i = group * G; i < (group + 1) * G; i++) {
      const exact = Math.fround(weight[i]! / step);
      const unit = type === "fp4" ? spacing(Math.abs(exact)) : 1;
      const code = (exact / unit + ROUND - ROUND) * unit;
      q[i] = code > top ? top : code < low ? low : code;
    }
  }
  return { ...format, rows: weight.length / K, q, scale };
}

/** Between the codes of 4-bit floats around a magnitude; even codes are even multiples of it. */
function spacing(magnitude: number): number {
  return magnitude < 4 ? 1 : magnitude < 8 ? 2 : 4;
}

/**
 * Scales as a checkpoint has them.
 *
 * @throws RecipeError for one its type cannot hold
 */
export function storedScales({ type, scale, scaleType }: QuantizedRows): Float32Array {
  const ratio = STORED_SCALES[type];
  if (ratio === 1) return scale;
  const { round } = SCALE_STORAGE[scaleType];
  return scale.map((step) => {
    const stored = step * ratio;
    if (Number.isFinite(round(stored))) return stored;
    throw new RecipeError(`scales in ${scaleType}: got ${stored}, which is above their range; need bf16`);
  });
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

/** @throws RecipeError naming tensor, row and column of the first NaN or infinity */
export function checkFinite(weight: Float32Array, K: number, { tensor, firstRow }: RowsOrigin): void {
  const index = weight.findIndex((value) => !Number.isFinite(value));
  if (index < 0) return;
  const position = `[${firstRow + Math.floor(index / K)}, ${index % K}]`;
  throw new RecipeError(`${tensor}: got ${weight[index]} at ${position}, need finite weights`);
}

/** Blocks of rows as one. */
export function joinRows(blocks: readonly QuantizedRows[], format: RowFormat): QuantizedRows {
  if (blocks.length === 1) return blocks[0]!;
  const rows = blocks.reduce((sum, block) => sum + block.rows, 0);
  const { K, G } = format;
  const [q, scale] = [new Int8Array(rows * K), new Float32Array((rows * K) / G)];
  let row = 0;
  for (const block of blocks) {
    q.set(block.q, row * K);
    scale.set(block.scale, (row * K) / G);
    row += block.rows;
  }
  return { ...format, rows, q, scale };
}
