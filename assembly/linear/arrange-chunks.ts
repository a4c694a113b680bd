/**
 * Activations for products that are summed in 16 bits (gemm-tile-i16.ts): the order of arrange-activations.ts
 * for the relaxed build, cut into chunks of k of a group, and before each chunk what its sums start from.
 *
 *   a row of a tile of R     start of chunk 0 | operands k 0..3 | k 4..7 | ... | start of chunk 1 | ...
 *                            4 bytes each, those of the tile's rows side by side
 *
 *   start      i16[2]: -zero * (the sum of the chunk's k 0 and 1 of each 4) - 1, the same of k 2 and 3
 *              zero is what stands for a weight of 0: 8, or 12 of E2M1
 *
 * An i16 lane sums two k of each step. With the start it ends at sum((u - zero) * a) - 1, whatever wraps on
 * the way. That fits: 32 products of -8..7 by -128..127 are in -32,512..32,768, less 1 in 16 bits, so a chunk
 * of int4 has 16 steps, 64 k. E2M1 is -12..12 and takes 8: 16 * 12 * 128 = 24,576. From 0, nibbles would fit
 * for 8 steps and E2M1 for 5. Both lanes of a channel are 1 short, so a group's sums start at 2 for each
 * chunk, whatever its activations: `sums` of the other builds is not needed.
 */
import { interleaveRow } from "./arrange-activations";
import { tileRows } from "../layouts/layout";

/** k that are summed in 16 bits; what is left of a group is a shorter chunk. */
@inline
export function chunkOf(e2m1: bool): i32 {
  return e2m1 ? 32 : 64;
}

/** Chunks of a group. */
@inline
export function chunksOf(G: i32, e2m1: bool): i32 {
  const chunk = chunkOf(e2m1);
  return (G + chunk - 1) / chunk;
}

/** Bytes of an arranged row. */
@inline
export function chunkedRowBytes(K: i32, G: i32, e2m1: bool): usize {
  return <usize>K + ((<usize>(K / G) * chunksOf(G, e2m1)) << 2);
}

/** A block of rows q i8[rows, K], tile by tile (tileRows in layout.ts). */
@inline
export function arrangeChunks(q: usize, a: usize, rows: i32, K: i32, G: i32, e2m1: bool): void {
  const rowBytes = chunkedRowBytes(K, G, e2m1);
  while (rows > 0) {
    const R = tileRows(rows);
    for (let r: usize = 0; r < <usize>R; r++, q += <usize>K) arrangeRow(q, a + (r << 2), K, G, R, e2m1);
    a += <usize>R * rowBytes;
    rows -= R;
  }
}


@inline
function arrangeRow(q: usize, a: usize, K: i32, G: i32, R: i32, e2m1: bool): void {
  const chunk = chunkOf(e2m1);
  for (let group = 0; group < K; group += G) {
    for (let k = 0; k < G; k += chunk) {
      const count = min(chunk, G - k);
      store<i32>(a, startOf(q, count, e2m1));
      a += (<usize>R) << 2;
      interleaveRow(q, a, count, R);
      a += <usize>(count * R);
      q += <usize>count;
    }
  }
}

/** Both starts of a chunk. */
@inline
function startOf(q: usize, count: i32, e2m1: bool): i32 {
  let sums = i16x8.splat(0);
  for (const end = q + <usize>count; q < end; q += 16) sums = i16x8.add(sums, i16x8.extadd_pairwise_i8x16_s(v128.load(q)));
  sums = i16x8.add(sums, i64x2.shuffle(sums, sums, 1, 0));
  sums = i16x8.add(sums, i32x4.shuffle(sums, sums, 1, 0, 3, 2));
  // -x - 1 of each half.
  return ~i32x4.extract_lane(i16x8.mul(sums, i16x8.splat(e2m1 ? 12 : 8)), 0);
}
