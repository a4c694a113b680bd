/**
 * The 8-bit floats E4M3 and E5M2 from the table of their codes (OCP 8-bit Floating Point Specification 1.0),
 * and rounding by looking there.
 */

interface Layout {
  readonly mantissaBits: number;
  readonly bias: number;
  /** The largest code of a finite value, without its sign. */
  readonly lastFinite: number;
}

/** E4M3 has no infinities and one NaN; E5M2 has both, as IEEE formats do. */
const LAYOUTS: Readonly<Record<"fp8" | "fp8-e5m2", Layout>> = {
  fp8: { mantissaBits: 3, bias: 7, lastFinite: 0x7e },
  "fp8-e5m2": { mantissaBits: 2, bias: 15, lastFinite: 0x7b },
};

/** Values of the codes 0.. without sign, ascending, up to the largest finite one. */
export function magnitudes(format: keyof typeof LAYOUTS): readonly number[] {
  const { mantissaBits, bias, lastFinite } = LAYOUTS[format];
  return Array.from({ length: lastFinite + 1 }, (_, code) => {
    const exponent = code >> mantissaBits;
    const fraction = (code % 2 ** mantissaBits) / 2 ** mantissaBits;
    return exponent === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (exponent - bias);
  });
}

/** The value nearest to x, the even code of two as near, the largest for all beyond. */
export function roundFloat8(x: number, values: readonly number[]): number {
  const magnitude = Math.abs(x);
  if (Number.isNaN(x) || magnitude >= values.at(-1)!) return Math.sign(x) * values.at(-1)!;
  const above = values.findIndex((value) => value > magnitude);
  const [low, high] = [magnitude - values[above - 1]!, values[above]! - magnitude];
  const code = low < high || (low === high && above % 2 === 1) ? above - 1 : above;
  return Math.sign(x) * values[code]!;
}
