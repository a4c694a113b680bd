/**
 * Every byte of the packed weights, and the sizes the host needs before it may call a kernel.
 *
 * A panel holds NR consecutive channels (rows of w[N, K]) for all K, as one stream in the order the kernels
 * read it: threads split a matrix by panels, and a panel never depends on its neighbours. The last panel is
 * padded to NR channels that contribute zero; no kernel stores their results. Packed bytes are the same for
 * every instruction set.
 */

/** Channels in a panel: two vectors of four i32 accumulators. */
export const NR: i32 = 8;
/**
 * Consecutive k of one channel that lie together: the four bytes one i32 lane of an 8-bit dot product takes.
 */
export const KR: i32 = 4;
/**
 * Rows in a whole tile of the 8-bit GEMMs (gemm-tile.ts says why). A matter of the build: no packed byte
 * depends on it.
 */
export const MR: i32 = DOT_I16 ? 4 : ASC_FEATURE_RELAXED_SIMD ? 6 : 4;


@inline
export function panels(N: i32): i32 {
  return (N + NR - 1) / NR;
}

/*
 * f32w: float weights.
 *
 *   panel       +-----------------+-----------------+-----+-----------------+
 *               | k 0             | k 1             | ... | k K - 1         |
 *               | channel 0 .. 7  | channel 0 .. 7  |     | channel 0 .. 7  |     f32 each; padding: 0
 *               +-----------------+-----------------+-----+-----------------+
 *               0                 32                64                      32K
 */

@inline
export function panelBytesF32w(K: i32): usize {
  return (<usize>K * NR) << 2;
}

/** Bytes of w[N, K] packed as f32w. */
export function packed_bytes_f32w(N: i32, K: i32): usize {
  return <usize>panels(N) * panelBytesF32w(K);
}

/*
 * qb4w: 4-bit weights, one f32 scale for each channel and each group of G along K.    w[n, k] = scale[n, k /
 * G] * (u - 8)
 *
 *   panel p     group 0 | group 1 | ... | group K/G - 1                 channels n = 8p .. 8p + 7
 *
 *   group       +-----------------+--------------+--------------+-----+------------------+
 *               | 8 f32 scales    | k 0 .. 3     | k 4 .. 7     | ... | k G - 4 .. G - 1 |
 *               | channel 0 .. 7  | 16 bytes     | 16 bytes     |     | 16 bytes         |
 *               +-----------------+--------------+--------------+-----+------------------+
 *               0                 32             48             64                       32 + 4G
 *
 *   16 bytes    byte       0    1    2    3    4    5    6    7    8    9    10   11   12   13   14   15
 *               k          0    1    2    3    0    1    2    3    0    1    2    3    0    1    2    3
 *               low nibble      channel 0           channel 1           channel 2           channel 3
 *               high nibble     channel 4           channel 5           channel 6           channel 7
 *
 *   u = q + 8 in 0..15 (offset binary). Unsigned, because the relaxed 8-bit dot product is the same on all
 *   engines only for an operand in 0..127; the 8 is taken back by accumulators that start at -8 * sum(a) over
 *   the group. Padding: u = 8, scale 0.
 *   Scales come first, so that one forward stream carries all that a group needs.
 */

/*
 * qb4fw: 4-bit floats (E2M1), one f32 scale for each channel and each group.
 *
 *   w[n, k] = scale[n, k / G] * (u(code) - 12)
 *
 *   The bytes of qb4w with codes of E2M1 as nibbles, which kernels look up (e2m1.ts), and half of the
 *   format's own scales, because u counts halves. Padding: code 8, which is -0, scale 0.
 */

/** Bytes of one group of a qb4w or qb4fw panel. */
@inline
export function groupBytesQb4w(G: i32): usize {
  return ((<usize>NR) << 2) + ((<usize>G * NR) >> 1);
}


@inline
export function panelBytesQb4w(K: i32, G: i32): usize {
  return <usize>(K / G) * groupBytesQb4w(G);
}

/** Bytes of w[N, K] packed as qb4w or qb4fw. */
export function packed_bytes_qb4w(N: i32, K: i32, G: i32): usize {
  return <usize>panels(N) * panelBytesQb4w(K, G);
}

/*
 * qc8w: 8-bit weights, one f32 scale for each channel.    w[n, k] = scale[n] * q
 *
 *   panel       +-----------------+-----------------+-----+--------------+-----+------------------+
 *               | 8 f32 scales    | 8 i32 offsets   | ... | k 0 .. 3     | ... | k K - 4 .. K - 1 |
 *               | channel 0 .. 7  | of block 0      |     | 32 bytes     |     | 32 bytes         |
 *               +-----------------+-----------------+-----+--------------+-----+------------------+
 *               0                 32                64    32 + 32B                              32 + 32B + 8K
 *
 *   B blocks of CHANNEL_BLOCK k, the last one shorter where K is no multiple. offset = -64 * sum of q over a
 *   block: what the relaxed build's high plane of activations + 8192 needs for its dot products, since that
 *   plane has no sign (arrange-activations.ts).
 *
 *   32 bytes    byte       0    1    2    3    4  ..  7    8  ..  11   12  ..  15   ...   28  ..  31
 *               k          0    1    2    3    0  ..  3    0  ..  3    0   ..  3          0   ..  3
 *               q, int8         channel 0     channel 1    channel 2   channel 3    ...   channel 7
 *
 *   q in -128..127 (two's complement). Padding: q = 0, scale 0.
 */

/**
 * k whose products with 14-bit activations are sure to stay in i32: 8191 * 128 * 2048 < 2^31. Blocks are
 * summed in f32.
 */
export const CHANNEL_BLOCK: i32 = 2048;

/** Where the weights of a qc8w panel begin: behind its scales and offsets. */
@inline
export function weightsOffsetQc8w(K: i32): usize {
  return (<usize>(1 + (K + CHANNEL_BLOCK - 1) / CHANNEL_BLOCK) * NR) << 2;
}


@inline
export function panelBytesQc8w(K: i32): usize {
  return weightsOffsetQc8w(K) + <usize>K * NR;
}

/** Bytes of w[N, K] packed as qc8w. */
export function packed_bytes_qc8w(N: i32, K: i32): usize {
  return <usize>panels(N) * panelBytesQc8w(K);
}

/*
 * Scratch of one thread in a GEMM over integer activations. It is written before it is read within each call.
 *
 *   activations   rows of a block, rearranged         simd128 i16[min(M, ROW_BLOCK), K]
 *                                                     relaxed i8[.., K], two planes for qc8w
 *                                                     relaxed-i16 i8[.., K], 4 bytes a chunk
 *   panel         one panel, unpacked                 simd128 i16[NR, K]
 *                                                     relaxed i8[NR, K], none for qc8w
 *   tile          the accumulators of one tile        f32[6, NR]
 *   plane         for qc8w, relaxed: sums over one     i32[6, NR]
 *                 plane of activations, from which those over the other go on;
 *                 relaxed-i16: sums over the chunks of a group
 *   starts        where accumulators start, qb4fw     i32[min(M, ROW_BLOCK), K/G], G at least 16
 *                 scales and minima as floats, qb4aw  f32[K/G, 2, NR], G at least 32: as much as 8 rows
 */

/**
 * Rows whose rearranged activations are kept while all panels pass by. More rows unpack each panel less
 * often, but 64 already bring unpacking to about 2 % of the dot products, and must fit the second-level
 * cache: 192 KiB at K = 1536, 1.4 MiB at K = 11008. Relaxed rows take half of that (qc8w: as much): 192
 * gained one to two percent over 96, 384 no more, and it is whole tiles of six.
 */
export const ROW_BLOCK: i32 = ASC_FEATURE_RELAXED_SIMD ? 192 : 64;

/**
 * Rows of the next tile where `rows` are left: whole tiles, but the last two share their rows, since small
 * tiles are slow.
 */
@inline
export function tileRows(rows: i32): i32 {
  return rows >= 2 * MR ? MR : rows > MR ? (rows + 1) >> 1 : rows;
}


@inline
export function activationScratchBytes(M: i32, K: i32): usize {
  return (<usize>min(M, ROW_BLOCK) * <usize>K) << 1;
}


@inline
export function panelScratchBytes(K: i32): usize {
  return (<usize>K * NR) << 1;
}

/**
 * Bytes of the largest tile of any build: a module of some kernels shares the scratch of the build it goes
 * with.
 */
@inline
export function tileScratchBytes(): usize {
  return (<usize>6 * NR) << 2;
}

/**
 * Scratch one thread needs for any linear kernel with at most M rows and K in_features. What a GEMV needs
 * beside a row fits where a panel goes. What a module of some kernels asks for is enough for the build below.
 */
export function linear_scratch_bytes(M: i32, K: i32): usize {
  const startBytes = (<usize>max(min(M, ROW_BLOCK), NR) * <usize>K) >> 2;
  return activationScratchBytes(M, K) + panelScratchBytes(K) + 2 * tileScratchBytes() + startBytes;
}
