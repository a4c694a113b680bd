/** Precisions a caller can choose when loading (llama.cpp's `-ctk`, `-ctv`; `--head`). */
import { OptionError } from "../errors.ts";

/**
 * "q8": int8, of the head its weights, whose input then has 14 bits (docs/decisions/head-input.md); "f32":
 * float32.
 */
export type Precision = "f32" | "q8";

/**
 * Precision of keys or values in the cache. "q8": int8 with the checkpoint's calibrated scale; "q8t": int8
 * with a scale for each token and K/V head, computed while running, which any checkpoint can have; "f32":
 * float32.
 */
export type CachePrecision = Precision | "q8t";

/** What a checkpoint can ask for besides: "q4", as "q8" but of codes of 4 bits, which take 8 in memory. */
export type StoredCachePrecision = CachePrecision | "q4";

/** Precision of the two halves of the KV cache. */
export interface KvPrecision {
  /** Keys. */
  readonly k: StoredCachePrecision;
  /** Values. */
  readonly v: StoredCachePrecision;
}

/** @throws OptionError naming the option unless the value is a precision or undefined */
export function checkPrecision(option: string, value: unknown): Precision | undefined {
  if (value === undefined || value === "f32" || value === "q8") return value;
  throw new OptionError(`${option}: got ${JSON.stringify(value)}, need "f32" or "q8"`);
}

/**
 * @param stored what the checkpoint asks for: only one with scales of 4 bits has "q4"
 * @throws OptionError naming the option unless the value is a precision of a cache or undefined
 */
export function checkCachePrecision(
  option: string,
  value: unknown,
  stored: StoredCachePrecision,
): StoredCachePrecision | undefined {
  if (value === undefined || value === "f32" || value === "q8" || value === "q8t") return value;
  if (value === "q4" && stored === "q4") return value;
  throw new OptionError(`${option}: got ${JSON.stringify(value)}, need "f32", "q8" or "q8t"`);
}

/**
 * How weights run that a file has quantized, where it does not say how activations are. "kept": as the file
 * has them, with int8 activations, a scale per token; "f32": as the floats they stand for.
 */
export type WeightPrecision = "kept" | "f32";

/** @throws OptionError naming the option unless the value is a way to run weights or undefined */
export function checkWeightPrecision(option: string, value: unknown): WeightPrecision | undefined {
  if (value === undefined || value === "kept" || value === "f32") return value;
  throw new OptionError(`${option}: got ${JSON.stringify(value)}, need "kept" or "f32"`);
}
