/**
 * One group of 4-bit weights times one row of activations: what all GEMVs over 4-bit weights are made of.
 * gemv-qd8-f32-qb4w.ts says why the steps are as they are; where accumulators start and what becomes of them,
 * accumulators.ts.
 *
 *   a       the activations of the group: i8[G] (relaxed); i16[G] in the order of arrange-activations.ts
 *   w0      the group's first block of 16 bytes; scale0 the scales (and zero points) of its 8 channels
 *   totals  f32[8] or i32[8] for each panel
 */
import { ADD_SCALED, addToTotal, FROM_ZERO_POINTS, startHigh, startLow } from "./accumulators";
import { multiplyAdd } from "./gemm-tile";
import { operands, operandTable } from "./e2m1";
import { NR } from "../layouts/layout";
import { nibbleMask, unknownZero } from "../math/simd";

/** Bytes of a stream's sums: 8 channels, f32. */
export const SUMS_BYTES: i32 = NR << 2;

/** Bytes of n activations as the dot product of the build takes them. */
@inline
export function activationBytes(n: i32): usize {
  return ASC_FEATURE_RELAXED_SIMD ? <usize>n : (<usize>n) << 1;
}


@inline
function operandOf(e2m1: bool, table: v128, nibbles: v128): v128 {
  return e2m1 ? operands(table, nibbles) : nibbles;
}

/**
 * One group of P panels, `streamBytes` apart, whose blocks begin at `w0`: dot products from where `from` says
 * to what `to` says (accumulators.ts), the sums at `totals`.
 */
@inline
export function addGroupI8(
  P: i32,
  from: i32,
  to: i32,
  e2m1: bool,
  a: usize,
  sum: usize,
  scale0: usize,
  w0: usize,
  streamBytes: usize,
  totals: usize,
  G: i32,
): void {
  const nibble = nibbleMask(G);
  const table = operandTable(G);
  const scale1 = scale0 + streamBytes;
  const scale2 = scale1 + streamBytes;
  const own = from == FROM_ZERO_POINTS;
  let low0 = startLow(from, sum, scale0);
  let high0 = startHigh(from, sum, scale0, low0);
  let low1 = own && P > 1 ? startLow(from, sum, scale1) : low0;
  let high1 = own && P > 1 ? startHigh(from, sum, scale1, low1) : low0;
  let low2 = own && P > 2 ? startLow(from, sum, scale2) : low0;
  let high2 = own && P > 2 ? startHigh(from, sum, scale2, low2) : low0;
  let w1 = w0 + streamBytes;
  let w2 = w1 + streamBytes;
  for (const end = w0 + ((<usize>G) << 2); w0 < end; a += 4) {
    const operand = v128.load32_splat(a);
    let w = v128.load(w0);
    low0 = multiplyAdd(low0, operandOf(e2m1, table, v128.and(w, nibble)), operand, false);
    high0 = multiplyAdd(high0, operandOf(e2m1, table, v128.and(i16x8.shr_u(w, 4), nibble)), operand, false);
    w0 += 16;
    if (P > 1) {
      w = v128.load(w1);
      low1 = multiplyAdd(low1, operandOf(e2m1, table, v128.and(w, nibble)), operand, false);
      high1 = multiplyAdd(high1, operandOf(e2m1, table, v128.and(i16x8.shr_u(w, 4), nibble)), operand, false);
      w1 += 16;
    }
    if (P > 2) {
      w = v128.load(w2);
      low2 = multiplyAdd(low2, operandOf(e2m1, table, v128.and(w, nibble)), operand, false);
      high2 = multiplyAdd(high2, operandOf(e2m1, table, v128.and(i16x8.shr_u(w, 4), nibble)), operand, false);
      w2 += 16;
    }
  }
  addToTotal(to, totals, low0, high0, scale0, sum);
  if (P > 1) addToTotal(to, totals + SUMS_BYTES, low1, high1, scale1, sum);
  if (P > 2) addToTotal(to, totals + SUMS_BYTES * 2, low2, high2, scale2, sum);
}

/** The same of one panel. */
@inline
export function addGroupI16(
  from: i32,
  to: i32,
  a: usize,
  sum: usize,
  scale: usize,
  packed: usize,
  total: usize,
  G: i32,
  nibble0: v128,
  nibble1: v128,
  nibble2: v128,
): void {
  let low02 = startLow(from, sum, scale);
  let high02 = i32x4.splat(0);
  let low13 = i32x4.splat(0);
  let high13 = startHigh(from, sum, scale, low02);
  for (const end = packed + ((<usize>G) << 2); packed < end; packed += 16, a += 8) {
    const w = v128.load(packed);
    const a02 = v128.load32_splat(a);
    const a13 = v128.load32_splat(a, 4);
    low02 = multiplyAdd(low02, v128.and(w, nibble0), a02, false);
    high02 = multiplyAdd(high02, v128.and(w, nibble1), a02, false);
    low13 = multiplyAdd(low13, v128.and(w, nibble2), a13, false);
    high13 = multiplyAdd(high13, i16x8.shr_u(w, 12), a13, false);
  }
  // Products of k 1 and 3 carry 256 in channels 0..3, products of k 0 and 2 carry 16 in channels 4..7.
  const low = i32x4.add(low02, i32x4.shr_s(low13, 8));
  const high = i32x4.add(high13, i32x4.shr_s(high02, 4));
  addToTotal(to, total, low, high, scale, sum);
}

/** The same for E2M1: all nibbles are looked up as bytes, which are then taken apart. */
@inline
export function addGroupE2m1(a: usize, sum: usize, packed: usize, total: usize, G: i32): void {
  const nibble = nibbleMask(G);
  const table = operandTable(G);
  const byte = i16x8.splat(<i16>(0x00ff | unknownZero(G)));
  const scale = packed;
  let low02 = v128.load32_splat(sum);
  let high02 = low02;
  let low13 = i32x4.splat(0);
  let high13 = low13;
  packed += 32;
  for (const end = packed + ((<usize>G) << 2); packed < end; packed += 16, a += 8) {
    const w = v128.load(packed);
    const a02 = v128.load32_splat(a);
    const a13 = v128.load32_splat(a, 4);
    const low = operands(table, v128.and(w, nibble));
    const high = operands(table, v128.and(i16x8.shr_u(w, 4), nibble));
    low02 = multiplyAdd(low02, v128.and(low, byte), a02, false);
    high02 = multiplyAdd(high02, v128.and(high, byte), a02, false);
    low13 = multiplyAdd(low13, i16x8.shr_u(low, 8), a13, false);
    high13 = multiplyAdd(high13, i16x8.shr_u(high, 8), a13, false);
  }
  addToTotal(ADD_SCALED, total, i32x4.add(low02, low13), i32x4.add(high02, high13), scale, sum);
}
