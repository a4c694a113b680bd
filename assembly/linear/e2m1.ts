/**
 * 4-bit floats (E2M1, OCP Microscaling Formats 1.0, section 5.3.3) as operands of integer dot products.
 *
 *   code      s e e m       ±{0, 0.5, 1, 1.5, 2, 3, 4, 6}
 *   u(code)   12 + 2 * E2M1(code), an integer in 0..24: what an offset-binary nibble is to 4-bit integers
 *             (layout.ts)
 *
 * So w[n, k] = scale[n, k / G] * (u - 12), where the packed scale is half of E2M1's own, and a group's
 * accumulators start at -12 * sum(a).
 */
import { unknownZero } from "../math/simd";

/** u of all codes, in a register (`unknownZero` in simd.ts says why not as a constant). */
@inline
export function operandTable(size: i32): v128 {
  return v128.or(i8x16(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0), i32x4.splat(unknownZero(size)));
}

/** u of 16 codes, each in 0..15, where all engines agree on the relaxed lookup too. */
@inline
export function operands(table: v128, codes: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? i8x16.relaxed_swizzle(table, codes) : i8x16.swizzle(table, codes);
}

/**
 * Where `count` accumulators start: from -8 * sum(a) (quantize-activations.ts) to -12 * sum(a), exact since
 * the former is even.
 */
export function offsetSums(sums: usize, starts: usize, count: i32): void {
  for (const end = sums + ((<usize>count) << 2); sums < end; sums += 4, starts += 4) {
    const sum = load<i32>(sums);
    store<i32>(starts, sum + (sum >> 1));
  }
}
