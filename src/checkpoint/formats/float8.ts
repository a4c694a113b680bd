/**
 * 8-bit floats that activations can be rounded to (OCP 8-bit Floating Point Specification 1.0, Table 1), by
 * the names of the recipes. No instruction of WebAssembly multiplies them, so they are simulated: rounded
 * exactly, multiplied in float32.
 */

export interface Float8Format {
  /** Bits behind the leading one. */
  readonly mantissaBits: number;
  /** The exponent of the smallest normal value; subnormals are as far apart as values are there. */
  readonly minExponent: number;
  /** The largest finite value, which a token's largest is scaled to. */
  readonly largest: number;
  /** The specification's name for it. */
  readonly title: string;
}

export const FLOAT8_FORMATS = {
  fp8: { mantissaBits: 3, minExponent: -6, largest: 448, title: "E4M3" },
  "fp8-e5m2": { mantissaBits: 2, minExponent: -14, largest: 57344, title: "E5M2" },
} as const satisfies Record<string, Float8Format>;

export type Float8Name = keyof typeof FLOAT8_FORMATS;

export function isFloat8(name: string): name is Float8Name {
  return Object.hasOwn(FLOAT8_FORMATS, name);
}
