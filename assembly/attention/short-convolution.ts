/**
 * The short convolution of LFM2 in place of attention: a causal one along the sequence, each channel by
 * itself, between two gates. Rows x hold B, C and u, E channels each; with p = rows[m].position:
 *
 *   v[p, e]  = B[m, e] * u[m, e]                                            append_gated_f32
 *   y[m, e]  = C[m, e] * (sum of weight[k, e] * v[p - K + 1 + k, e] + bias[e])     convolve_f32
 *              k ascending from the first token there is; products rounded, then sums; bias 0: none
 *
 *   x       rows of `stride` f32: B, C, u
 *   cache   pool of blocks of 64 tokens, f32[block][64][E]: v of each token, so that any row can be computed
 *           again wherever a sequence was cut
 *   rows    Row[M] (layout-kv.ts), of any sequences; convolve_f32 reads the K - 1 tokens before each, too
 *   weight  f32[K, E], the latest token's last
 *   y       f32[M, E]
 *
 * Units: rows. Preconditions: each row's block table reaches its position. Reads and writes nothing outside
 * the shapes.
 */
import { BLOCK, blockAt, rowAt } from "../layouts/layout-kv";

/** Address of v of token t. */
@inline
function tokenAt(cache: usize, blocks: usize, t: i32, rowBytes: usize): usize {
  return blockAt(cache, blocks, t, <usize>BLOCK * rowBytes) + <usize>(t & (BLOCK - 1)) * rowBytes;
}

export function append_gated_f32(x: usize, cache: usize, rows: usize, stride: i32, E: i32, begin: i32, end: i32): void {
  const rowBytes = (<usize>E) << 2;
  const whole = rowBytes & ~15;
  for (let m = begin; m < end; m++) {
    const gate = x + ((<usize>m * stride) << 2);
    const value = gate + 2 * rowBytes;
    const row = rowAt(rows, m);
    const target = tokenAt(cache, row.blocks, row.position, rowBytes);
    let i: usize = 0;
    for (; i < whole; i += 16) v128.store(target + i, f32x4.mul(v128.load(gate + i), v128.load(value + i)));
    for (; i < rowBytes; i += 4) store<f32>(target + i, load<f32>(gate + i) * load<f32>(value + i));
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
  const rowBytes = (<usize>E) << 2;
  const whole = rowBytes & ~15;
  for (let m = begin; m < end; m++) {
    const gate = x + ((<usize>m * stride) << 2) + rowBytes;
    const target = y + <usize>m * rowBytes;
    const row = rowAt(rows, m);
    const first = row.position - K + 1;
    // One token after another over all channels: the sums lie in y until the last one is added.
    memory.fill(target, 0, rowBytes);
    for (let k = max<i32>(0, -first); k < K; k++) {
      const value = tokenAt(cache, row.blocks, first + k, rowBytes);
      const factor = weight + <usize>k * rowBytes;
      let i: usize = 0;
      for (; i < whole; i += 16) {
        const product = f32x4.mul(v128.load(factor + i), v128.load(value + i));
        v128.store(target + i, f32x4.add(v128.load(target + i), product));
      }
      for (; i < rowBytes; i += 4) store<f32>(target + i, load<f32>(target + i) + load<f32>(factor + i) * load<f32>(value + i));
    }
    let i: usize = 0;
    for (; i < whole; i += 16) {
      let sum = v128.load(target + i);
      if (bias != 0) sum = f32x4.add(sum, v128.load(bias + i));
      v128.store(target + i, f32x4.mul(v128.load(gate + i), sum));
    }
    for (; i < rowBytes; i += 4) {
      let sum = load<f32>(target + i);
      if (bias != 0) sum += load<f32>(bias + i);
      store<f32>(target + i, load<f32>(gate + i) * sum);
    }
  }
}
