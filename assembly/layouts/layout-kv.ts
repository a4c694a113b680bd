/**
 * Every byte of the KV cache and of the scratch that attention uses.
 *
 * The cache of one layer and half (K or V) is a pool of blocks of 64 tokens, one after another, shared by all
 * sequences. A sequence has a block table i32[]: entry t / 64 is the number of the block that holds its token
 * t. Sequences with a common beginning may name the same blocks. In a block, Hkv heads follow one another. In
 * all four layouts of a head eight lanes lie side by side that a kernel computes at once: eight tokens of K
 * (so a score needs no horizontal sum), eight channels of V (so a token's probability is one broadcast).
 *
 *   K f32   [block][Hkv][8][D][8 tokens]              V f32   [block][Hkv][D/8][64][8 channels]
 *
 *           d=0:  t0 t1 t2 t3 t4 t5 t6 t7                     t=0:  d0 d1 d2 d3 d4 d5 d6 d7
 *           d=1:  t0 t1 t2 t3 t4 t5 t6 t7                     t=1:  d0 d1 d2 d3 d4 d5 d6 d7
 *
 *   K int8  [block][Hkv][8][D/4][8 tokens][4 d]       V int8  [block][Hkv][D/8][16][8 channels][4 t]
 *
 *           | t0          | t1          | ..                  | d0          | d1          | ..
 *           | d0 d2 d1 d3 | d0 d2 d1 d3 | ..                  | t0 t2 t1 t3 | t0 t2 t1 t3 | ..
 *
 * Four bytes are one i32 lane: what a four-byte dot instruction sums. In the order 0, 2, 1, 3 the low bytes
 * of the two 16-bit halves are elements 0 and 1 and the high bytes 2 and 3, so `i32x4.dot_i16x8_s` takes
 * two pairs of the other operand in natural order. Int8 values are -128..127, real = scale * q. There are
 * two kinds of int8: static (qs8), with one scale per cache, and dynamic (qd8), with a scale per token and
 * head. Those of a head's 64 tokens, f32[64], follow its bytes, so that a block has all that belongs to it
 * wherever it is copied:
 *
 *   int8 dynamic  [block][Hkv]{ K or V int8 as above | f32[64] }
 *
 * Bytes of tokens never appended may hold anything: kernels mask them.
 */

/** Lanes of a tile: tokens of K, channels of V. */
export const LANES: i32 = 8;
/**
 * Query rows of a tile: 4 x 8 lanes are 8 accumulators, and with 4 widened operands and 2 temporaries fill 14
 * of 16 registers.
 */
export const TILE_ROWS: i32 = 4;
/**
 * Tokens of a block of the pool, and tokens whose probabilities are quantized against one maximum
 * (attention-vqs8.ts); both begin at multiples of it from position 0. 64: the 14-bit error stays local,
 * folding a block into f32 costs a twelfth of its dot products, and a sequence wastes 32 tokens on average.
 */
export const BLOCK: i32 = 64;

/**
 * A row of a call, in the row table: where its token is in its sequence, and the sequence's block table.
 * Behind the M rows the table says of each how many of its sequence's tokens it may see.
 */
@unmanaged
export class Row {
  position: i32;
  blocks: usize; // i32[]
}


@inline
export function rowAt(rows: usize, m: i32): Row {
  return changetype<Row>(rows + <usize>m * offsetof<Row>());
}

/** Tokens that row m of M may see: its own and those before it, or more where some follow. */
@inline
export function visibleTo(rows: usize, M: i32, m: i32): i32 {
  return load<i32>(rows + <usize>M * offsetof<Row>() + ((<usize>m) << 2));
}

/** Address in a block, the one that holds token t, of what lies at `cache` in block 0. */
@inline
export function blockAt(cache: usize, blocks: usize, t: i32, blockBytes: usize): usize {
  return cache + <usize>load<i32>(blocks + ((<usize>(t / BLOCK)) << 2)) * blockBytes;
}

/** Tokens rounded up to whole vectors of scores. */
@inline
export function storedTokens(S: i32): i32 {
  return (S + LANES - 1) & -LANES;
}

/** Where element i of four lies among four bytes: 0, 2, 1, 3. */
@inline
export function interleavedByte(i: i32): i32 {
  return ((i & 1) << 1) | ((i >> 1) & 1);
}

/** Byte offset of channel d of token t of a block in one head of K f32. */
@inline
export function kOffsetF32(t: i32, d: i32, D: i32): usize {
  return (<usize>((t >> 3) * D + d) * LANES + (t & 7)) << 2;
}

/** Byte offset of channel d of token t of a block in one head of V f32. */
@inline
export function vOffsetF32(t: i32, d: i32): usize {
  return (<usize>((d >> 3) * BLOCK + t) * LANES + (d & 7)) << 2;
}

/** Byte offset of channel d of token t of a block in one head of K int8. */
@inline
export function kOffsetQs8(t: i32, d: i32, D: i32): usize {
  return (<usize>((t >> 3) * (D >> 2) + (d >> 2)) * LANES + (t & 7)) * 4 + interleavedByte(d & 3);
}

/** Byte offset of channel d of token t of a block in one head of V int8. */
@inline
export function vOffsetQs8(t: i32, d: i32): usize {
  return (<usize>((d >> 3) * (BLOCK >> 2) + (t >> 2)) * LANES + (d & 7)) * 4 + interleavedByte(t & 3);
}

/** Bytes of one head of a block, of K or V. */
@inline
export function headBytesF32(D: i32): usize {
  return <usize>BLOCK * D * 4;
}


@inline
export function headBytesQs8(D: i32): usize {
  return <usize>BLOCK * D;
}

/** Byte offset of the scale of token t of a block in one head of dynamic int8. */
@inline
export function scaleOffsetQd8(t: i32, D: i32): usize {
  return headBytesQs8(D) + ((<usize>t) << 2);
}


@inline
export function headBytesQd8(D: i32): usize {
  return scaleOffsetQd8(BLOCK, D);
}

/** Blocks that S tokens take. */
@inline
function blocksOf(S: i32): i32 {
  return (S + BLOCK - 1) / BLOCK;
}

/** Bytes of the blocks of S tokens. */
export function k_cache_bytes_f32(Hkv: i32, S: i32, D: i32): usize {
  return <usize>(blocksOf(S) * Hkv) * headBytesF32(D);
}

export function v_cache_bytes_f32(Hkv: i32, S: i32, D: i32): usize {
  return k_cache_bytes_f32(Hkv, S, D);
}

export function k_cache_bytes_qs8(Hkv: i32, S: i32, D: i32): usize {
  return <usize>(blocksOf(S) * Hkv) * headBytesQs8(D);
}

export function v_cache_bytes_qs8(Hkv: i32, S: i32, D: i32): usize {
  return k_cache_bytes_qs8(Hkv, S, D);
}

export function k_cache_bytes_qd8(Hkv: i32, S: i32, D: i32): usize {
  return <usize>(blocksOf(S) * Hkv) * headBytesQd8(D);
}

export function v_cache_bytes_qd8(Hkv: i32, S: i32, D: i32): usize {
  return k_cache_bytes_qd8(Hkv, S, D);
}

/**
 * One row of a tile: a query of one head at one position, and the half-open range of tokens it attends to.
 */
@unmanaged
export class TileRow {
  query: usize; // f32[D]
  y: usize; // f32[D]
  begin: i32;
  end: i32;
  slope: f32; // what a score gains for each token nearer, in powers of two
}

/**
 * Scratch of one thread, in this order; T is S rounded up to 8, tokens and blocks count from position 0 of
 * the tile's sequence.
 *
 *   rows       TileRow[4]
 *   factors    f32[4]             what one unit of a row's integer score is worth, in powers of two
 *   sums       f32[4]             1 / sum of weights (times the scale of V, where it has one)
 *   values     f32[4][D]          accumulators
 *   queries    f32[D][4]          or 14-bit operands [D/4][4 rows][4] (attention-tile-qs8.ts)
 *   scores     f32[4][T]
 *   weights    f32[T][4]          or 14-bit operands [T/4][4 rows][4]
 *   blockMax   f32[T/64][4]       later the block's factor
 *   blockSum   f32[T/64][4]
 *   blockUnit  f32[T/64][4]       of dynamic V: what a unit of its weights is worth (attention-vqd8.ts)
 */
export const FACTORS_OFFSET: usize = 80;
export const SUMS_OFFSET: usize = 96;
export const VALUES_OFFSET: usize = 112;


@inline
export function queriesOffset(D: i32): usize {
  return VALUES_OFFSET + <usize>D * 16;
}


@inline
export function scoresOffset(D: i32): usize {
  return queriesOffset(D) + <usize>D * 16;
}


@inline
export function weightsOffset(S: i32, D: i32): usize {
  return scoresOffset(D) + <usize>storedTokens(S) * 16;
}


@inline
export function blockMaxOffset(S: i32, D: i32): usize {
  return weightsOffset(S, D) + <usize>storedTokens(S) * 16;
}


@inline
export function blockSumOffset(S: i32, D: i32): usize {
  return blockMaxOffset(S, D) + <usize>blocksOf(S) * 16;
}


@inline
export function blockUnitOffset(S: i32, D: i32): usize {
  return blockSumOffset(S, D) + <usize>blocksOf(S) * 16;
}

/** Bytes one thread needs; the same for any M, since rows pass through in tiles of four. */
export function attention_scratch_bytes(M: i32, S: i32, D: i32): usize {
  return blockUnitOffset(S, D) + <usize>blocksOf(S) * 16;
}
