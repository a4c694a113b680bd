/** Formats of rows for tests, scales as they come unless a test says otherwise. */
import type { RowFormat } from "../../../src/quantizer/round/quantize-weights.ts";

export function rowFormat(K: number, G: number, type: RowFormat["type"], changes: Partial<RowFormat> = {}): RowFormat {
  return { K, G, type, scaleType: "f32", constraint: "none", ...changes };
}
