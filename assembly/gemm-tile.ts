/**
 * Tile MR x 8 c4 of a GEMM over int16: MR rows of widened activations times one unpacked panel.
 *
 *   y[m, n] = (..((0 + dot[m, n, 0] * s[n, 0]) + dot[m, n, 1] * s[n, 1]) + ..) * scales[m] + bias[n]
 *
 *   a        i16[K/2, R, 2]      R rows of a block          widen-activations.ts
 *   panel    i16[K/2, 8, 2]      eight channels             unpack-panel.ts
 *   tile     f32[R, 8]           in scratch: sums over groups
 *
 * Why one step takes two k: V8 schedules the loads of a block of code before its arithmetic. Two vectors of weights, four of activations, eight
 * accumulators and one product are the 15 vector registers it has on x64; a step of four k needs six more and spills, for a fifth
 * of the speed (docs/kernels.md). V8 unrolls the loop threefold by itself.
 * Why MR = 4: it fills these registers. Every 32 bytes of weights take 8 dot products and 8 additions, which three vector ports finish in
 * 5.3 cycles, and 6 loads, which take two or three: the ports are the limit, and the measured rate is that limit.
 * The f32 sums stay in memory, since they are touched once for each group.
 *
 * R is a literal at each call: rows above it leave no code behind.
 */
import { MR } from "./layout";
import { storeChannels } from "./store-channels";

/** sum + f32(dot) * scale, both rounded. */
@inline
function addScaled(sum: v128, dot: v128, scale: v128): v128 {
  return f32x4.add(sum, f32x4.mul(f32x4.convert_i32x4_s(dot), scale));
}

/** One group's dot products of row r: onto the tile. */
@inline
function addGroup(tile: usize, r: i32, low: v128, high: v128, scaleLow: v128, scaleHigh: v128): void {
  const row = tile + ((<usize>r) << 5);
  v128.store(row, addScaled(v128.load(row), low, scaleLow));
  v128.store(row, addScaled(v128.load(row, 16), high, scaleHigh), 16);
}

/**
 * Dot products of R rows with a panel, scaled and summed over groups into `tile`.
 *
 * @param scale     8 f32 scales of the panel's first group; those of the next are `scaleStride` bytes on
 * @param sum       where row 0's accumulator of the first group starts (quantize-activations.ts); row r is `sumStride` bytes on
 * @param offset    false: accumulators start at 0, and `sum` is not read
 */
@inline
function multiplyTile(
  R: i32,
  a: usize,
  panel: usize,
  scale: usize,
  scaleStride: usize,
  sum: usize,
  sumStride: usize,
  offset: bool,
  tile: usize,
  K: i32,
  G: i32,
): void {
  const zero = i32x4.splat(0);
  for (let r: usize = 0; r < (<usize>R) << 5; r += 32) {
    v128.store(tile + r, zero);
    v128.store(tile + r, zero, 16);
  }
  for (const panelEnd = panel + ((<usize>K) << 4); panel < panelEnd; scale += scaleStride, sum += 4) {
    let low0 = zero,
      low1 = zero,
      low2 = zero,
      low3 = zero;
    if (offset) {
      low0 = v128.load32_splat(sum);
      if (R > 1) low1 = v128.load32_splat(sum + sumStride);
      if (R > 2) low2 = v128.load32_splat(sum + sumStride * 2);
      if (R > 3) low3 = v128.load32_splat(sum + sumStride * 3);
    }
    let high0 = low0,
      high1 = low1,
      high2 = low2,
      high3 = low3;
    for (const groupEnd = panel + ((<usize>G) << 4); panel < groupEnd; panel += 32, a += (<usize>R) << 2) {
      const low = v128.load(panel);
      const high = v128.load(panel, 16);
      let pair = v128.load32_splat(a);
      low0 = i32x4.add(low0, i32x4.dot_i16x8_s(low, pair));
      high0 = i32x4.add(high0, i32x4.dot_i16x8_s(high, pair));
      if (R > 1) {
        pair = v128.load32_splat(a, 4);
        low1 = i32x4.add(low1, i32x4.dot_i16x8_s(low, pair));
        high1 = i32x4.add(high1, i32x4.dot_i16x8_s(high, pair));
      }
      if (R > 2) {
        pair = v128.load32_splat(a, 8);
        low2 = i32x4.add(low2, i32x4.dot_i16x8_s(low, pair));
        high2 = i32x4.add(high2, i32x4.dot_i16x8_s(high, pair));
      }
      if (R > 3) {
        pair = v128.load32_splat(a, 12);
        low3 = i32x4.add(low3, i32x4.dot_i16x8_s(low, pair));
        high3 = i32x4.add(high3, i32x4.dot_i16x8_s(high, pair));
      }
    }
    const scaleLow = v128.load(scale);
    const scaleHigh = v128.load(scale, 16);
    addGroup(tile, 0, low0, high0, scaleLow, scaleHigh);
    if (R > 1) addGroup(tile, 1, low1, high1, scaleLow, scaleHigh);
    if (R > 2) addGroup(tile, 2, low2, high2, scaleLow, scaleHigh);
    if (R > 3) addGroup(tile, 3, low3, high3, scaleLow, scaleHigh);
  }
}

/** The tile's R rows, times their activation scales, plus bias, to channels n .. n + 7 of y[.., N]. */
@inline
function storeTile(R: i32, tile: usize, scales: usize, bias: usize, y: usize, n: i32, N: i32): void {
  for (let r: usize = 0; r < <usize>R; r++, tile += 32, y += (<usize>N) << 2) {
    const rowScale = v128.load32_splat(scales + (r << 2));
    storeChannels(f32x4.mul(v128.load(tile), rowScale), f32x4.mul(v128.load(tile, 16), rowScale), bias, y, n, N);
  }
}

/**
 * All `rows` of a block against one unpacked panel: whole tiles, then one of the rows left.
 * `a`, `sums`, `scales` and `y` are those of the block's first row; the other parameters are those of the tile.
 */
@inline
export function multiplyBlock(
  rows: i32,
  a: usize,
  panel: usize,
  scale: usize,
  scaleStride: usize,
  sums: usize,
  sumStride: usize,
  offset: bool,
  tile: usize,
  scales: usize,
  bias: usize,
  y: usize,
  n: i32,
  N: i32,
  K: i32,
  G: i32,
): void {
  const rowBytes = (<usize>K) << 1;
  const yStride = (<usize>N) << 2;
  for (; rows >= MR; rows -= MR) {
    multiplyTile(MR, a, panel, scale, scaleStride, sums, sumStride, offset, tile, K, G);
    storeTile(MR, tile, scales, bias, y, n, N);
    a += rowBytes * MR;
    sums += sumStride * MR;
    scales += MR << 2;
    y += yStride * MR;
  }
  if (rows == 1) multiplyTile(1, a, panel, scale, scaleStride, sums, sumStride, offset, tile, K, G);
  else if (rows == 2) multiplyTile(2, a, panel, scale, scaleStride, sums, sumStride, offset, tile, K, G);
  else if (rows == 3) multiplyTile(3, a, panel, scale, scaleStride, sums, sumStride, offset, tile, K, G);
  storeTile(rows, tile, scales, bias, y, n, N);
}
