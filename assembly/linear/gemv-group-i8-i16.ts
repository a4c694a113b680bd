/**
 * One group of panels of 4-bit weights by the relaxed 16-bit dot: two k of a channel to a 16-bit lane.
 *
 *   acc += extadd(((a0 * u0 + a1 * u1) + a2 * u2) + a3 * u3)      16 k: a0..a3 four k each, u nibbles
 *
 * For engines that make pmaddubsw, pmaddwd, an addition and often a constant of the relaxed 32-bit dot, but
 * one pmaddubsw of this one: V8 on x64 without AVX-VNNI.
 *
 * Exact: four sums of two products are at most 4 * 2 * 128 * 15 = 15360 (E2M1, operands to 24: 24576), so
 * 16-bit lanes hold them, and no engine's cut or wrap is reached.
 *
 * Why four steps, where nibbles allow eight: a lane widened after eight saves a fourteenth of the
 * instructions, but was slower: the optimizer moves all of a channel's products to where they are added up,
 * and eight weights and eight operands are probably more than the 15 registers V8 has on x64; as a loop of
 * eight steps it gains 3 % from cache and nothing from memory. Every G has whole fours, and E2M1 allows no
 * more than five. Why two streams: the chains are of single additions, so one stream already keeps the ports
 * busy and lacks only the share of activations (0.92 of two); three and four are as fast as two, and leave
 * more panels over. (measured: docs/measurements/2026-11-29-epyc-gemv-forms.md)
 */
import { operands, operandTable } from "./e2m1";
import { addToTotal, FROM_ZERO_POINTS, startHigh, startLow } from "./accumulators";
import { SUMS_BYTES } from "./gemv-group-qb4w";
import { nibbleMask } from "../math/simd";

/**
 * One group of P (a literal, 1 or 2) panels, `streamBytes` apart, whose sums are at `totals`: dot products
 * from where `from` says to what `to` says (accumulators.ts). The first one's scales are at `scale0`, its
 * blocks at `w0`.
 */
@inline
export function addGroupI8I16(
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
  const own = from == FROM_ZERO_POINTS;
  let low0 = startLow(from, sum, scale0);
  let high0 = startHigh(from, sum, scale0, low0);
  let low1 = own && P > 1 ? startLow(from, sum, scale1) : low0;
  let high1 = own && P > 1 ? startHigh(from, sum, scale1, low1) : low0;
  let w1 = w0 + streamBytes;
  for (const end = w0 + ((<usize>G) << 2); w0 < end; w0 += 64, a += 16) {
    const a0 = v128.load32_splat(a);
    const a1 = v128.load32_splat(a, 4);
    const a2 = v128.load32_splat(a, 8);
    const a3 = v128.load32_splat(a, 12);
    low0 = addFour(low0, a0, a1, a2, a3, w0, false, e2m1, nibble, table);
    high0 = addFour(high0, a0, a1, a2, a3, w0, true, e2m1, nibble, table);
    if (P > 1) {
      low1 = addFour(low1, a0, a1, a2, a3, w1, false, e2m1, nibble, table);
      high1 = addFour(high1, a0, a1, a2, a3, w1, true, e2m1, nibble, table);
      w1 += 64;
    }
  }
  addToTotal(to, totals, low0, high0, scale0, sum);
  if (P > 1) addToTotal(to, totals + SUMS_BYTES, low1, high1, scale1, sum);
}

/** acc + 16 k of channels 0..3, or of 4..7 (`high`), from 64 bytes at `w`. */
@inline
function addFour(
  acc: v128,
  a0: v128,
  a1: v128,
  a2: v128,
  a3: v128,
  w: usize,
  high: bool,
  e2m1: bool,
  nibble: v128,
  table: v128,
): v128 {
  return i32x4.add(acc, i32x4.extadd_pairwise_i16x8_s(sumFour(a0, a1, a2, a3, w, high, e2m1, nibble, table)));
}

/** 16 k of such channels, two to a lane. Both calls load the bytes: once, compiled. */
@inline
export function sumFour(
  a0: v128,
  a1: v128,
  a2: v128,
  a3: v128,
  w: usize,
  high: bool,
  e2m1: bool,
  nibble: v128,
  table: v128,
): v128 {
  let sum = multiply(a0, v128.load(w), high, e2m1, nibble, table);
  sum = i16x8.add(sum, multiply(a1, v128.load(w, 16), high, e2m1, nibble, table));
  sum = i16x8.add(sum, multiply(a2, v128.load(w, 32), high, e2m1, nibble, table));
  return i16x8.add(sum, multiply(a3, v128.load(w, 48), high, e2m1, nibble, table));
}


@inline
function multiply(a: v128, w: v128, high: bool, e2m1: bool, nibble: v128, table: v128): v128 {
  const nibbles = v128.and(high ? i16x8.shr_u(w, 4) : w, nibble);
  return i16x8.relaxed_dot_i8x16_i7x16_s(a, e2m1 ? operands(table, nibbles) : nibbles);
}
