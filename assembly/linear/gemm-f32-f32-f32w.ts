/**
 * Linear layer in floats: y[m,n] = (sum over k of x[m,k] * w[n,k]) + bias[n].
 *
 *   x     f32[M, K]    rows follow one another
 *   w     f32w panels of [N, K] (layout.ts)
 *   bias  f32[N], or 0 for none
 *   y     f32[M, N]    only N columns of the last panel are written
 *
 * Order of the sum: one lane per channel, k ascending from 0, a rounded multiply then a rounded add, the bias
 * last. So the bits of a row depend neither on M nor on the tile that computed it: a token decoded equals the
 * same token in a prompt.
 *
 * Preconditions: pointers aligned to 4 bytes; scratch is not used. Reads and writes nothing outside the
 * shapes. Units: panels.
 *
 * Why 4 x 8: eight accumulators cover the four cycles of an addition on two ports, and with two weight
 * vectors, the broadcast and the product they fit the fifteen registers V8 has, even where it unrolls the
 * loop. Measured on one Xeon core (V8 11.3, GMAC/s, K = 576): 3x8 20.0, 4x8 20.0, 5x8 16.8, 6x8 16.4;
 * unrolled by hand 4x8 falls to 15-17, since V8 unrolls once more and spills; x packed with its four rows
 * interleaved 18.7, since rows are read from the second-level cache anyway. Why one row takes four panels: a
 * single row has two accumulators a panel, and would wait for the latency of each addition.
 */
import { NR, panelBytesF32w } from "../layouts/layout";
import { storeChannels } from "./store-channels";

/**
 * Rows that stay in the second-level cache while all panels pass by: 128 of K = 1536 take 768 KiB. A panel is
 * read once for each block, which counts where it exceeds the first-level cache (GMAC/s with 32, 64, 128
 * rows: K = 1536 22, 22, 22; K = 4096 17, 19, 21).
 */
const ROW_BLOCK: i32 = 128;


@inline
function multiplyAdd(sum: v128, x: v128, w: v128): v128 {
  return f32x4.add(sum, f32x4.mul(x, w));
}

/** Not inlined: it runs once for a row of a tile, and its arms in each of the tiles were 7 KB of code. */
function storeRow(low: v128, high: v128, bias: usize, y: usize, n: i32, N: i32): void {
  storeChannels(low, high, bias, y, n, N);
}

/**
 * MR rows (a literal: absent rows are compiled away) times the panel of channels n .. n + 7. `row` is the
 * bytes from one row of x to the next.
 */
@inline
function tile(MR: i32, x: usize, w: usize, bias: usize, y: usize, n: i32, N: i32, row: usize): void {
  let sum00 = f32x4.splat(0),
    sum01 = sum00,
    sum10 = sum00,
    sum11 = sum00;
  let sum20 = sum00,
    sum21 = sum00,
    sum30 = sum00,
    sum31 = sum00;
  let x1 = x + row,
    x2 = x1 + row,
    x3 = x2 + row;
  for (const end = x + row; x < end; x += 4) {
    const w0 = v128.load(w),
      w1 = v128.load(w, 16);
    const a0 = v128.load32_splat(x);
    sum00 = multiplyAdd(sum00, a0, w0);
    sum01 = multiplyAdd(sum01, a0, w1);
    if (MR > 1) {
      const a1 = v128.load32_splat(x1);
      sum10 = multiplyAdd(sum10, a1, w0);
      sum11 = multiplyAdd(sum11, a1, w1);
      x1 += 4;
    }
    if (MR > 2) {
      const a2 = v128.load32_splat(x2);
      sum20 = multiplyAdd(sum20, a2, w0);
      sum21 = multiplyAdd(sum21, a2, w1);
      x2 += 4;
    }
    if (MR > 3) {
      const a3 = v128.load32_splat(x3);
      sum30 = multiplyAdd(sum30, a3, w0);
      sum31 = multiplyAdd(sum31, a3, w1);
      x3 += 4;
    }
    w += NR << 2;
  }
  const yRow = (<usize>N) << 2;
  storeRow(sum00, sum01, bias, y, n, N);
  if (MR > 1) storeRow(sum10, sum11, bias, y + yRow, n, N);
  if (MR > 2) storeRow(sum20, sum21, bias, y + 2 * yRow, n, N);
  if (MR > 3) storeRow(sum30, sum31, bias, y + 3 * yRow, n, N);
}

/** One row times four panels, the first of channels n .. n + 7. */
@inline
function rowTimesFourPanels(x: usize, w: usize, bias: usize, y: usize, n: i32, N: i32, row: usize): void {
  let sum00 = f32x4.splat(0),
    sum01 = sum00,
    sum10 = sum00,
    sum11 = sum00;
  let sum20 = sum00,
    sum21 = sum00,
    sum30 = sum00,
    sum31 = sum00;
  const panel = row * NR;
  let w1 = w + panel,
    w2 = w1 + panel,
    w3 = w2 + panel;
  for (const end = x + row; x < end; x += 4) {
    const a = v128.load32_splat(x);
    sum00 = multiplyAdd(sum00, a, v128.load(w));
    sum01 = multiplyAdd(sum01, a, v128.load(w, 16));
    sum10 = multiplyAdd(sum10, a, v128.load(w1));
    sum11 = multiplyAdd(sum11, a, v128.load(w1, 16));
    sum20 = multiplyAdd(sum20, a, v128.load(w2));
    sum21 = multiplyAdd(sum21, a, v128.load(w2, 16));
    sum30 = multiplyAdd(sum30, a, v128.load(w3));
    sum31 = multiplyAdd(sum31, a, v128.load(w3, 16));
    w += NR << 2;
    w1 += NR << 2;
    w2 += NR << 2;
    w3 += NR << 2;
  }
  storeRow(sum00, sum01, bias, y, n, N);
  storeRow(sum10, sum11, bias, y, n + NR, N);
  storeRow(sum20, sum21, bias, y, n + 2 * NR, N);
  storeRow(sum30, sum31, bias, y, n + 3 * NR, N);
}

/** The last row alone, four panels at a time. */
@inline
function lastRow(x: usize, w: usize, bias: usize, y: usize, N: i32, row: usize, begin: i32, end: i32): void {
  const panel = row * NR;
  let p = begin;
  for (; p + 4 <= end; p += 4) rowTimesFourPanels(x, w + <usize>p * panel, bias, y, p * NR, N, row);
  for (; p < end; p++) tile(1, x, w + <usize>p * panel, bias, y, p * NR, N, row);
}

export function gemm_f32_f32_f32w_4x8c1(
  x: usize,
  w: usize,
  bias: usize,
  y: usize,
  M: i32,
  N: i32,
  K: i32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  const row = (<usize>K) << 2;
  const yRow = (<usize>N) << 2;
  for (let m = 0; m < M; m += ROW_BLOCK) {
    const rows = min(M - m, ROW_BLOCK);
    const rest = rows & 3;
    const xBlock = x + <usize>m * row,
      xRest = xBlock + <usize>(rows - rest) * row;
    const yBlock = y + <usize>m * yRow,
      yRest = yBlock + <usize>(rows - rest) * yRow;
    for (let p = begin; p < end; p++) {
      const panel = w + <usize>p * panelBytesF32w(K);
      let yTile = yBlock;
      for (let xTile = xBlock; xTile < xRest; xTile += 4 * row) {
        tile(4, xTile, panel, bias, yTile, p * NR, N, row);
        yTile += 4 * yRow;
      }
      if (rest == 3) tile(3, xRest, panel, bias, yRest, p * NR, N, row);
      if (rest == 2) tile(2, xRest, panel, bias, yRest, p * NR, N, row);
    }
    if (rest == 1) lastRow(xRest, w, bias, yRest, N, row, begin, end);
  }
}
