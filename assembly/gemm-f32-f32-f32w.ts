/**
 * Linear layer in floats: y[m,n] = (sum over k of x[m,k] * w[n,k]) + bias[n].
 *
 *   x     f32[M, K]    rows follow one another
 *   w     f32w panels of [N, K] (layout.ts)
 *   bias  f32[N], or 0 for none
 *   y     f32[M, N]    only N columns of the last panel are written
 *
 * Order of the sum: one lane per channel, k ascending from 0, a rounded multiply then a rounded add, the bias last. So the bits of a row
 * depend neither on M nor on the tile that computed it: a token decoded equals the same token in a prompt.
 *
 * Preconditions: pointers aligned to 4 bytes; scratch is not used. Reads and writes nothing outside the shapes. Units: panels.
 *
 * Why 4 x 8: eight accumulators cover the four cycles of an addition on two ports, and with two weight vectors, the broadcast and the
 * product they fit the fifteen registers V8 has, even where it unrolls the loop. Measured on one Rocket Lake core (V8 11.3, GMAC/s,
 * K = 576): 3x8 20.0, 4x8 20.0, 5x8 16.8, 6x8 16.4; unrolled by hand 4x8 falls to 15-17, since V8 unrolls once more and spills;
 * x packed with its four rows interleaved 18.7, since rows are read from the second-level cache anyway.
 * Why one row takes four panels: a single row has two accumulators a panel, and would wait for the latency of each addition.
 */
import { NR, panelBytesF32w } from "./layout";
import { loadPartial, storePartial } from "./simd";

/** Rows that stay in the second-level cache while all panels pass by: 64 of K = 1536 take 384 KiB. A panel is read once for each block. */
const ROW_BLOCK: i32 = 64;


@inline
function multiplyAdd(sum: v128, x: v128, w: v128): v128 {
  return f32x4.add(sum, f32x4.mul(x, w));
}

/** The bias from the channel at `offset` bytes; 0 stays 0, none. */
@inline
function biasAt(bias: usize, offset: usize): usize {
  return bias == 0 ? 0 : bias + offset;
}

/** Bias of channels `offset`.. of a panel with `columns` channels; zeros where there is none. */
@inline
function loadBias(bias: usize, columns: i32, offset: i32): v128 {
  if (bias == 0) return f32x4.splat(0);
  if (columns >= offset + 4) return v128.load(bias + ((<usize>offset) << 2));
  return loadPartial(bias + ((<usize>offset) << 2), max(columns - offset, 0));
}

/** One row of a tile: the sums plus the bias. A sum is never -0, so adding a zero bias changes no bit. */
@inline
function storeRow(y: usize, sum0: v128, sum1: v128, bias: usize, columns: i32): void {
  sum0 = f32x4.add(sum0, loadBias(bias, columns, 0));
  sum1 = f32x4.add(sum1, loadBias(bias, columns, 4));
  if (columns >= 4) v128.store(y, sum0);
  else storePartial(y, sum0, columns);
  if (columns == NR) v128.store(y, sum1, 16);
  else if (columns > 4) storePartial(y + 16, sum1, columns - 4);
}

/** MR rows (a literal: absent rows are compiled away) times one panel. `row` and `yRow` are bytes from one row to the next. */
@inline
function tile(MR: i32, x: usize, w: usize, bias: usize, y: usize, row: usize, yRow: usize, columns: i32): void {
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
  storeRow(y, sum00, sum01, bias, columns);
  if (MR > 1) storeRow(y + yRow, sum10, sum11, bias, columns);
  if (MR > 2) storeRow(y + 2 * yRow, sum20, sum21, bias, columns);
  if (MR > 3) storeRow(y + 3 * yRow, sum30, sum31, bias, columns);
}

/** One row times four whole panels, `panel` bytes each. */
@inline
function rowTimesFourPanels(x: usize, w: usize, bias: usize, y: usize, row: usize, panel: usize): void {
  let sum00 = f32x4.splat(0),
    sum01 = sum00,
    sum10 = sum00,
    sum11 = sum00;
  let sum20 = sum00,
    sum21 = sum00,
    sum30 = sum00,
    sum31 = sum00;
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
  storeRow(y, sum00, sum01, bias, NR);
  storeRow(y + 32, sum10, sum11, biasAt(bias, 32), NR);
  storeRow(y + 64, sum20, sum21, biasAt(bias, 64), NR);
  storeRow(y + 96, sum30, sum31, biasAt(bias, 96), NR);
}

/** The last row alone, four panels at a time. */
@inline
function lastRow(x: usize, w: usize, bias: usize, y: usize, row: usize, N: i32, begin: i32, end: i32): void {
  const panel = row * NR;
  let p = begin;
  for (; p + 4 <= end && (p + 4) * NR <= N; p += 4) {
    const channel = (<usize>(p * NR)) << 2;
    rowTimesFourPanels(x, w + <usize>p * panel, biasAt(bias, channel), y + channel, row, panel);
  }
  for (; p < end; p++) {
    const channel = (<usize>(p * NR)) << 2;
    tile(1, x, w + <usize>p * panel, biasAt(bias, channel), y + channel, row, 0, min(N - p * NR, NR));
  }
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
    const xBlock = x + <usize>m * row;
    const yBlock = y + <usize>m * yRow;
    for (let p = begin; p < end; p++) {
      const channel = (<usize>(p * NR)) << 2;
      const wPanel = w + <usize>p * panelBytesF32w(K);
      const biasPanel = biasAt(bias, channel);
      const columns = min(N - p * NR, NR);
      let xTile = xBlock;
      let yTile = yBlock + channel;
      for (const tilesEnd = xBlock + <usize>(rows & ~3) * row; xTile < tilesEnd; xTile += 4 * row) {
        tile(4, xTile, wPanel, biasPanel, yTile, row, yRow, columns);
        yTile += 4 * yRow;
      }
      if ((rows & 3) == 3) tile(3, xTile, wPanel, biasPanel, yTile, row, yRow, columns);
      if ((rows & 3) == 2) tile(2, xTile, wPanel, biasPanel, yTile, row, yRow, columns);
    }
    if ((rows & 3) == 1) {
      const last = <usize>(rows - 1);
      lastRow(xBlock + last * row, w, bias, yBlock + last * yRow, row, N, begin, end);
    }
  }
}
