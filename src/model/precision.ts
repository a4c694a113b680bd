/** Precisions a caller can choose when loading (llama.cpp's `-ctk`, `-ctv`; `--head`). */
import { OptionError } from "../errors.ts";

/**
 * "q8": int8, of the head its weights, whose input then has 14 bits (docs/decisions/head-input.md); "f32":
 * float32.
 */
export type Precision = "f32" | "q8";

/** Precision of the two halves of the KV cache. */
export interface KvPrecision {
  readonly k: Precision;
  readonly v: Precision;
}

/** @throws OptionError naming the option unless the value is a precision or undefined */
export function checkPrecision(option: string, value: unknown): Precision | undefined {
  if (value === undefined || value === "f32" || value === "q8") return value;
  throw new OptionError(`${option}: got ${JSON.stringify(value)}, need "f32" or "q8"`);
}
