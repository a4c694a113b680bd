/**
 * Every byte of packed weights that are kept as a file has them: panels of NR = 8 channels, each one forward
 * stream, as in `layout.ts`. What their drawings share is not drawn again.
 */
import { groupBytesQb4w, NR, panelBytesQb4w, panels } from "./layout";

/*
 * qb8w: 8-bit weights, one f32 scale for each channel and each group of G along K.
 *
 *   w[n, k] = scale[n, k / G] * q
 *
 *   group       +-----------------+--------------+--------------+-----+------------------+
 *               | 8 f32 scales    | k 0 .. 3     | k 4 .. 7     | ... | k G - 4 .. G - 1 |
 *               | channel 0 .. 7  | 32 bytes     | 32 bytes     |     | 32 bytes         |
 *               +-----------------+--------------+--------------+-----+------------------+
 *               0                 32             64             96                       32 + 8G
 *
 *   32 bytes    those of qc8w; q in -128..127. Padding: q = 0, scale 0.
 */

@inline
export function groupBytesQb8w(G: i32): usize {
  return ((<usize>NR) << 2) + <usize>G * NR;
}


@inline
export function panelBytesQb8w(K: i32, G: i32): usize {
  return <usize>(K / G) * groupBytesQb8w(G);
}

/** Bytes of w[N, K] packed as qb8w. */
export function packed_bytes_qb8w(N: i32, K: i32, G: i32): usize {
  return <usize>panels(N) * panelBytesQb8w(K, G);
}

/*
 * qb4zw: 4-bit weights, one f32 scale and one integer zero point for each channel and each group of G.
 *
 *   w[n, k] = scale[n, k / G] * (u - z[n, k / G])        u in 0..15, z in 0..16
 *
 *   group       +-----------------+-----------------+--------------+-----+------------------+
 *               | 8 f32 scales    | 8 i16 zeros     | k 0 .. 3     | ... | k G - 4 .. G - 1 |
 *               | channel 0 .. 7  | channel 0 .. 7  | 16 bytes     |     | 16 bytes         |
 *               +-----------------+-----------------+--------------+-----+------------------+
 *               0                 32                48             64                       48 + 4G
 *
 *   16 bytes    those of qb4w. Padding: u = 0, z = 0, scale 0.
 *   Zero points take 16 bits, of which 5 would do, because all that follows then stays at multiples of 16.
 */

/** Where the zero points of a group begin. */
export const ZEROS_OFFSET: usize = 32;


@inline
export function groupBytesQb4zw(G: i32): usize {
  return 48 + ((<usize>G * NR) >> 1);
}


@inline
export function panelBytesQb4zw(K: i32, G: i32): usize {
  return <usize>(K / G) * groupBytesQb4zw(G);
}

/** Bytes of w[N, K] packed as qb4zw. */
export function packed_bytes_qb4zw(N: i32, K: i32, G: i32): usize {
  return <usize>panels(N) * panelBytesQb4zw(K, G);
}

/*
 * qb4mw: 4-bit weights in two levels. A group of 32 along K has an integer scale and an integer minimum, a
 * superblock of B along K two multipliers of these, for each channel.
 *
 *   w[n, k] = d[n, k / B] * s[n, k / 32] * u - dmin[n, k / B] * m[n, k / 32]
 *   u in 0..15, s and m in 0..255
 *
 *   superblock  +-------------+----------------+--------------+--------------+---------+---------+-----+
 *               | 8 f32 d     | 8 f32 dmin     | P pairs of m | P pairs of s | group 0 | group 1 | ... |
 *               | channel 0.. | channel 0 .. 7 | 16 bytes     | 16 bytes     | 128 b.  | 128 b.  |     |
 *               +-------------+----------------+--------------+--------------+---------+---------+-----+
 *               0             32               64             64 + 16P       64 + 32P          64 + 32P + 4B
 *
 *   P = B / 64 rounded up: pairs of groups, 2p and 2p + 1; where the last group has no partner, that one's s
 *   and m are 0.
 *   pair of m   m[n 0, 2p], m[n 0, 2p + 1], m[n 1, 2p], ..        u8[8, 2]: two neighbours meet two sums of
 *               activations in a 16-bit dot product
 *   pair of s   s[n 0, 2p], s[n 1, 2p], .. s[n 7, 2p], s[n 0, 2p + 1], ..        u8[2, 8]
 *   group       8 times the 16 bytes of qb4w. Padding: 0 throughout.
 *
 *   GGUF's Q4_K is B = 256 with s and m of 6 bits, in 4.75 bits a weight; one pair of multipliers for a
 *   channel is B = K.
 *   Why integers: sums over groups stay integers, so a superblock ends in two float products, not sixteen.
 */

/** k of a group of qb4mw. */
export const GROUP_QB4MW: i32 = 32;
/** Bytes of a group of qb4mw. */
export const GROUP_BYTES_QB4MW: usize = 128;
/** Where the minima of a superblock begin; d lies at 0, dmin at 32. */
export const MINIMA_OFFSET: usize = 64;

/** Pairs of groups in a superblock of B. */
@inline
export function groupPairs(B: i32): usize {
  return (<usize>(B + 63)) >> 6;
}

/** Where the scales of a superblock begin. */
@inline
export function scalesOffsetQb4mw(B: i32): usize {
  return MINIMA_OFFSET + (groupPairs(B) << 4);
}

/** Where the groups of a superblock begin. */
@inline
export function groupsOffsetQb4mw(B: i32): usize {
  return MINIMA_OFFSET + (groupPairs(B) << 5);
}


@inline
export function blockBytesQb4mw(B: i32): usize {
  return groupsOffsetQb4mw(B) + ((<usize>B * NR) >> 1);
}


@inline
export function panelBytesQb4mw(K: i32, B: i32): usize {
  return <usize>(K / B) * blockBytesQb4mw(B);
}

/** Bytes of w[N, K] packed as qb4mw. */
export function packed_bytes_qb4mw(N: i32, K: i32, B: i32): usize {
  return <usize>panels(N) * panelBytesQb4mw(K, B);
}

/*
 * qb4aw: 4-bit weights, a scale and a minimum in binary16 for each channel and each group of G along K.
 *
 *   w[n, k] = d[n, k / G] * u + m[n, k / G]        u in 0..15
 *
 *   group       +-----------------+-----------------+-----------+-----------+-----+------------------+
 *               | 8 binary16 d    | 8 binary16 m    | k 0 .. 3  | k 4 .. 7  | ... | k G - 4 .. G - 1 |
 *               | channel 0 .. 7  | channel 0 .. 7  | 16 bytes  | 16 bytes  |     | 16 bytes         |
 *               +-----------------+-----------------+-----------+-----------+-----+------------------+
 *               0                 16                32          48          64                       32 + 4G
 *
 *   16 bytes    those of qb4w. Padding: 0 throughout. d and m are finite, which the reader of a file sees to.
 *
 *   GGUF's Q4_1 is G = 32, in the 5 bits a weight that it takes in the file.
 */

/** Where the minima of a group begin. */
export const MINIMA_OFFSET_QB4AW: usize = 16;
/** Where its weights do. */
export const BLOCKS_OFFSET_QB4AW: usize = 32;

/** Two binary16 take the place of an f32: the bytes of qb4w. */
@inline
export function groupBytesQb4aw(G: i32): usize {
  return groupBytesQb4w(G);
}


@inline
export function panelBytesQb4aw(K: i32, G: i32): usize {
  return panelBytesQb4w(K, G);
}

/** Bytes of w[N, K] packed as qb4aw. */
export function packed_bytes_qb4aw(N: i32, K: i32, G: i32): usize {
  return <usize>panels(N) * panelBytesQb4aw(K, G);
}

/*
 * qb8aw: 8-bit weights, an f32 scale and an f32 minimum for each channel and each group of G along K.
 *
 *   w[n, k] = scale[n, k / G] * (q + 128) + minimum[n, k / G]
 *
 *   group       +-----------------+-----------------+-----------+-----------+-----+------------------+
 *               | 8 f32 scales    | 8 f32 minima    | k 0 .. 3  | k 4 .. 7  | ... | k G - 4 .. G - 1 |
 *               | channel 0 .. 7  | channel 0 .. 7  | 32 bytes  | 32 bytes  |     | 32 bytes         |
 *               +-----------------+-----------------+-----------+-----------+-----+------------------+
 *               0                 32                64          96          128                      64 + 8G
 *
 *   32 bytes    those of qc8w; q = u - 128 in -128..127, u being what files have. Padding: q = 0, the rest 0.
 *   Why q: of 8-bit products the relaxed build knows those of signed weights only. The 128 is made up for
 *   where a group ends, by 128 * sum(a), which is exact.
 */

/** Where the minima of a group begin. */
export const MINIMA_OFFSET_QB8AW: usize = 32;
/** Where its weights do. */
export const BLOCKS_OFFSET_QB8AW: usize = 64;


@inline
export function groupBytesQb8aw(G: i32): usize {
  return BLOCKS_OFFSET_QB8AW + <usize>G * NR;
}


@inline
export function panelBytesQb8aw(K: i32, G: i32): usize {
  return <usize>(K / G) * groupBytesQb8aw(G);
}

/** Bytes of w[N, K] packed as qb8aw. */
export function packed_bytes_qb8aw(N: i32, K: i32, G: i32): usize {
  return <usize>panels(N) * panelBytesQb8aw(K, G);
}
