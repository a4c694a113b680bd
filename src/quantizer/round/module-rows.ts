/** Rows of a module as integers, of any type, and as they are stored. */
import { dequantizeKept } from "../../checkpoint/quantization/kept-rows.ts";
import { packedKeptForm } from "../../checkpoint/quantization/kept-packed.ts";
import { packRows, wordsOfRow } from "../../checkpoint/quantization/pack-quantized.ts";
import {
  dequantizeRows,
  nearestScales,
  type QuantizedRows,
  type RowFormat,
  roundToScales,
  storedScales,
} from "./quantize-weights.ts";
import { dequantizeLevels, nearestLines, roundLevels, roundToLevels, type TwoLevelRows } from "./two-level-rows.ts";

/** With a scale for each group, or with scales and minima in two levels. */
export type ModuleRows = QuantizedRows | TwoLevelRows;

export type StoredPart = "weight_packed" | "weight_scale" | "weight_minimum" | "weight_multiplier";
export type StoredArray = Int32Array | Float32Array | Uint8Array;
/** Consecutive rows of a module as they are stored, by the end of a tensor's name, each array row by row. */
export type StoredModule = Readonly<Partial<Record<StoredPart, StoredArray>>>;

/** Rounds weights f32[rows, K] of finite values to nearest. */
export function nearestRows(weight: Float32Array, format: RowFormat): ModuleRows {
  if (format.type !== "int4m") return roundToScales(weight, nearestScales(weight, format), format);
  return roundToLevels(weight, roundLevels(nearestLines(weight), format.K, format.scaleType), format);
}

/** f32[rows, K]: what every reader of the checkpoint computes with. */
export function dequantizeModule(rows: ModuleRows): Float32Array {
  return "levels" in rows ? dequantizeLevels(rows) : dequantizeRows(rows);
}

/** @throws RecipeError for a scale its type cannot hold */
export function storedModule(rows: ModuleRows): StoredModule {
  const packed = packRows(rows.q, rows.type, rows.K);
  if (!("levels" in rows)) return { weight_packed: packed, weight_scale: storedScales(rows) };
  const { scales, minima, multipliers } = rows.levels;
  return { weight_packed: packed, weight_scale: scales, weight_minimum: minima, weight_multiplier: multipliers };
}

/** f32[rows, K] of rows as they are stored. */
export function dequantizeStored(stored: StoredModule, { K, G, type }: RowFormat): Float32Array {
  const rows = stored.weight_packed!.length / wordsOfRow(K, type);
  const values = new Float32Array(rows * K);
  // Parts are in the order of what kernels take.
  dequantizeKept(packedKeptForm({ weights: type, groupSize: G }, K), { rows, arrays: Object.values(stored) }, values);
  return values;
}

/** Makes a module of the same parts, each array as `change` makes it. */
export function mapParts(stored: StoredModule, change: (array: StoredArray, part: StoredPart) => StoredArray): StoredModule {
  return Object.fromEntries(Object.entries(stored).map(([part, array]) => [part, change(array, part as StoredPart)]));
}
