// Scalar twins of short-convolution.ts: one channel at a time.
import { BLOCK, blockAt, rowAt } from "../layouts/layout-kv";

/** Address of v of channel e of token t. */
@inline
function valueAt(cache: usize, blocks: usize, t: i32, e: i32, E: i32): usize {
  const inBlock = <usize>(t & (BLOCK - 1)) * E + e;
  return blockAt(cache, blocks, t, (<usize>BLOCK * E) << 2) + (inBlock << 2);
}


@inline
function element(x: usize, row: i32, stride: i32, column: i32): f32 {
  return load<f32>(x + ((<usize>row * stride + column) << 2));
}

export function append_gated_f32(x: usize, cache: usize, rows: usize, stride: i32, E: i32, begin: i32, end: i32): void {
  for (let m = begin; m < end; m++) {
    const row = rowAt(rows, m);
    for (let e = 0; e < E; e++) {
      const value = element(x, m, stride, e) * element(x, m, stride, 2 * E + e);
      store<f32>(valueAt(cache, row.blocks, row.position, e, E), value);
    }
  }
}

export function convolve_f32(
  x: usize,
  cache: usize,
  weight: usize,
  bias: usize,
  y: usize,
  rows: usize,
  stride: i32,
  E: i32,
  K: i32,
  begin: i32,
  end: i32,
): void {
  for (let m = begin; m < end; m++) {
    const row = rowAt(rows, m);
    for (let e = 0; e < E; e++) {
      let sum: f32 = 0;
      for (let k = 0; k < K; k++) {
        const t = row.position - K + 1 + k;
        if (t >= 0) sum += element(weight, k, E, e) * load<f32>(valueAt(cache, row.blocks, t, e, E));
      }
      if (bias != 0) sum += element(bias, 0, 0, e);
      store<f32>(y + ((<usize>m * E + e) << 2), element(x, m, stride, E + e) * sum);
    }
  }
}
