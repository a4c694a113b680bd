/**
 * Unpacking of one group of a panel to operands of the tile (gemm-tile.ts), once for each row block of a
 * GEMM.
 *
 *   packed   k 0..3 of eight channels as `layout.ts` draws them
 *   panel    relaxed: i8[K/4, 8, 4]; for each 4 consecutive k, 32 bytes
 *
 *     +---------------------+---------------------+
 *     | channels 0 .. 3     | channels 4 .. 7     |
 *     | k 0 .. 3 of each    | k 0 .. 3 of each    |
 *     +---------------------+---------------------+
 *     0                     16                    32
 *
 *   panel    simd128: i16[K/2, 8, 2]; for each 4 consecutive k, 64 bytes
 *
 *     +---------------------+---------------------+---------------------+---------------------+
 *     | channels 0 .. 3     | channels 4 .. 7     | channels 0 .. 3     | channels 4 .. 7     |
 *     | k 0, 2 of each      | k 0, 2 of each      | k 1, 3 of each      | k 1, 3 of each      |
 *     +---------------------+---------------------+---------------------+---------------------+
 *     0                     16                    32                    48                    64
 *
 * Every vector is one operand of a dot product whose other operand is the same activations in all four lanes.
 * A packed panel of qc8w is what the relaxed build needs as it is.
 */
import { operands, operandTable } from "./e2m1";
import { GROUP_BYTES_QB4MW } from "../layouts/layout-kept";
import { nibbleMask, unknownZero } from "../math/simd";

/** `count` k of a qb4w panel: values u in 0..15. */
@inline
export function unpackQb4w(packed: usize, panel: usize, count: i32): void {
  const end = packed + ((<usize>count) << 2);
  if (ASC_FEATURE_RELAXED_SIMD) {
    const nibble = nibbleMask(count);
    for (; packed < end; packed += 16, panel += 32) {
      const w = v128.load(packed);
      v128.store(panel, v128.and(w, nibble));
      v128.store(panel, v128.and(i16x8.shr_u(w, 4), nibble), 16);
    }
  } else {
    const nibble = i16x8.splat(<i16>(0x000f | unknownZero(count)));
    for (; packed < end; packed += 16, panel += 64) {
      const w = v128.load(packed);
      v128.store(panel, v128.and(w, nibble));
      v128.store(panel, v128.and(i16x8.shr_u(w, 4), nibble), 16);
      v128.store(panel, v128.and(i16x8.shr_u(w, 8), nibble), 32);
      v128.store(panel, i16x8.shr_u(w, 12), 48);
    }
  }
}

/** `count` k of a qb4fw panel: values u in 0..24. */
@inline
export function unpackQb4fw(packed: usize, panel: usize, count: i32): void {
  const nibble = nibbleMask(count);
  const table = operandTable(count);
  for (const end = packed + ((<usize>count) << 2); packed < end; packed += 16) {
    const w = v128.load(packed);
    const low = operands(table, v128.and(w, nibble));
    const high = operands(table, v128.and(i16x8.shr_u(w, 4), nibble));
    if (ASC_FEATURE_RELAXED_SIMD) {
      v128.store(panel, low);
      v128.store(panel, high, 16);
      panel += 32;
    } else {
      v128.store(panel, v128.and(low, i16x8.splat(0x00ff)));
      v128.store(panel, v128.and(high, i16x8.splat(0x00ff)), 16);
      v128.store(panel, i16x8.shr_u(low, 8), 32);
      v128.store(panel, i16x8.shr_u(high, 8), 48);
      panel += 64;
    }
  }
}

/**
 * One group of a qb4mw panel; relaxed: values u in 0..15; simd128: s * u in 0..3825, so that products need
 * not end with the group. `scales` u8[8]: s; G: 32 (unknownGroup in superblock.ts).
 */
@inline
export function unpackQb4mw(packed: usize, panel: usize, scales: usize, G: i32): void {
  if (ASC_FEATURE_RELAXED_SIMD) {
    unpackQb4w(packed, panel, G);
    return;
  }
  const s = v128.load8x8_u(scales);
  const low = i16x8.shuffle(s, s, 0, 0, 1, 1, 2, 2, 3, 3);
  const high = i16x8.shuffle(s, s, 4, 4, 5, 5, 6, 6, 7, 7);
  const nibble = i16x8.splat(<i16>(0x000f | unknownZero(G)));
  for (const end = packed + GROUP_BYTES_QB4MW; packed < end; packed += 16, panel += 64) {
    const w = v128.load(packed);
    v128.store(panel, i16x8.mul(v128.and(w, nibble), low));
    v128.store(panel, i16x8.mul(v128.and(i16x8.shr_u(w, 4), nibble), high), 16);
    v128.store(panel, i16x8.mul(v128.and(i16x8.shr_u(w, 8), nibble), low), 32);
    v128.store(panel, i16x8.mul(i16x8.shr_u(w, 12), high), 48);
  }
}

/** `count` k of a qc8w panel to int16 (simd128): values q in -128..127. */
@inline
export function unpackQc8w(packed: usize, panel: usize, count: i32): void {
  for (const end = packed + ((<usize>count) << 3); packed < end; packed += 32, panel += 64) {
    const low = v128.load(packed);
    const high = v128.load(packed, 16);
    v128.store(panel, i16x8.shr_s(i16x8.shl(low, 8), 8));
    v128.store(panel, i16x8.shr_s(i16x8.shl(high, 8), 8), 16);
    v128.store(panel, i16x8.shr_s(low, 8), 32);
    v128.store(panel, i16x8.shr_s(high, 8), 48);
  }
}
