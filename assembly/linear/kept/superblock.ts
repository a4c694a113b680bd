/**
 * What ends a superblock of qb4mw (layout-kept.ts), for one row of activations and 8 channels:
 *
 *   y = (y + d * f32(sum over its groups g of s[g] * dot[g])) - dmin * f32(sum over g of m[g] * sum(a)[g])
 *
 * Both sums are exact in i32: with s and m up to 255, 15 * 128 * 255 * B < 2^31 and 128 * 255 * B < 2^31 for
 * B <= 4096. Four roundings: two products, a sum, a difference; two more where integers of more than 24 bits
 * become floats.
 *
 * relaxed-i16: two k of a channel are summed to a 16-bit lane. A group is eight sums of two products, at most
 * 8 * 2 * 128 * 15 = 30720, so a lane holds it from 0 on. It ends in a 16-bit dot product with its scale in
 * both lanes of a channel, which widens, joins and scales at once.
 */
import { addScaled } from "../accumulators";
import { groupPairs, GROUP_QB4MW, MINIMA_OFFSET } from "../../layouts/layout-kept";

/**
 * 32, which neither wasm-opt nor V8 can know: a mask that depends on it stays in a register (unknownZero in
 * simd.ts).
 */
@inline
export function unknownGroup(B: i32): i32 {
  return B < 0 ? B : GROUP_QB4MW;
}

/** Bytes of a row's narrowed sums. */
@inline
export function narrowSumsBytes(K: i32, B: i32): usize {
  return (<usize>(K / B) * groupPairs(B)) << 2;
}

/**
 * Rows begin .. end - 1 of sums i32[.., K/32], -8 * sum(a) of each group of 32 (quantize-activations.ts), to
 * i16[end - begin, K/B, 2P] at `narrow`: sum(a), at most 32 * 128 in magnitude, pair by pair, 0 where a
 * superblock's last group has no partner.
 */
@inline
export function narrowSums(sums: usize, narrow: usize, begin: i32, end: i32, K: i32, B: i32): void {
  const groups = B / GROUP_QB4MW;
  const blocks = K / B;
  sums += (<usize>begin * (K / GROUP_QB4MW)) << 2;
  for (let block = begin * blocks; block < end * blocks; block++) {
    for (let g = 0; g < groups; g++, sums += 4, narrow += 2) store<i16>(narrow, <i16>-(load<i32>(sums) >> 3));
    if (groups & 1) {
      store<i16>(narrow, 0);
      narrow += 2;
    }
  }
}

/** From a group's scales, i16[8], those of channels 0..3, each in both lanes of its channel. */
@inline
export function scalesLow(scales: v128): v128 {
  return i16x8.shuffle(scales, scales, 0, 0, 1, 1, 2, 2, 3, 3);
}

/** Those of channels 4..7. */
@inline
export function scalesHigh(scales: v128): v128 {
  return i16x8.shuffle(scales, scales, 4, 4, 5, 5, 6, 6, 7, 7);
}

/** sum + s[g] * dot[g] of four channels, the dot in pairs of 16-bit lanes. */
@inline
export function addScaledLanes(sum: v128, dot: v128, scales: v128): v128 {
  return i32x4.add(sum, i32x4.dot_i16x8_s(dot, scales));
}

/**
 * Ends the superblock at `block` for a row whose 8 sums are at `total`.
 *
 * @param scaled    whether d's part is to be added here, from i32[8] at `integers`, or has been
 * @param sums      the row's narrowed sums of this superblock
 */
@inline
export function endBlock(scaled: bool, block: usize, pairs: usize, sums: usize, integers: usize, total: usize): void {
  let low = i32x4.splat(0);
  let high = low;
  let minima = block + MINIMA_OFFSET;
  for (const end = minima + (pairs << 4); minima < end; minima += 16, sums += 4) {
    const pair = v128.load32_splat(sums);
    low = i32x4.add(low, i32x4.dot_i16x8_s(v128.load8x8_u(minima), pair));
    high = i32x4.add(high, i32x4.dot_i16x8_s(v128.load8x8_u(minima, 8), pair));
  }
  let first = v128.load(total);
  let second = v128.load(total, 16);
  if (scaled) {
    first = addScaled(first, v128.load(integers), v128.load(block));
    second = addScaled(second, v128.load(integers, 16), v128.load(block, 16));
  }
  v128.store(total, f32x4.sub(first, f32x4.mul(f32x4.convert_i32x4_s(low), v128.load(block, 32))));
  v128.store(total, f32x4.sub(second, f32x4.mul(f32x4.convert_i32x4_s(high), v128.load(block, 48))), 16);
}
