/**
 * y[N] = (a[K] * w[N, K]^T) * scales[0] + bias[N]      decode: one row of 8-bit activations, blockwise 4-bit weights
 *
 *   dot[n, g] = sum over k of group g of a[k] * (u[n, k] - 8)           exact, i32
 *   y[n]      = (..((0 + dot[n, 0] * s[n, 0]) + dot[n, 1] * s[n, 1]) + ..) * scales[0] + bias[n]      f32, each step rounded
 *
 *   q        i8[K]          -128..127
 *   scales   f32[1]
 *   sums     i32[K/G]       -8 * sum of q over a group (quantize-activations.ts): where the accumulators start
 *   w        qb4w panels    layout.ts
 *   bias     f32[N]         or 0 for none
 *   y        f32[N]
 *   scratch  i16[K]         the thread's own
 *
 * Units of work: panels begin..end of 8 channels. Writes y of these panels' channels below N and nothing else; no over-read.
 * Preconditions: K % G == 0, G % 16 == 0, G <= 4096 (products of 256 * u stay in i32); 16-byte alignment is fastest, none is needed.
 *
 * Tile 1x8c4: the weights are read once, in one stream. 16 bytes hold 32 weights: three masks and one shift make four operands of the 16-bit
 * dot product. A mask leaves a nibble at its place in the 16-bit lane, times 1, 16 or 256, and the power is divided out (exactly) once for
 * each group: two shifts and a mask fewer for every 16 bytes. What is left, 12 vector instructions, three ports finish in four cycles: 4 bytes a
 * cycle, which is what weights in cache are measured to take; from memory, the memory is the limit.
 */
import { NR, panelBytesQb4w } from "./layout";
import { storeChannels } from "./store-channels";
import { widenRow } from "./widen-activations";

export function gemv_qd8_f32_qb4w_1x8c4(
  q: usize,
  scales: usize,
  sums: usize,
  w: usize,
  bias: usize,
  y: usize,
  N: i32,
  K: i32,
  G: i32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  widenRow(q, scratch, K, 1);
  const rowScale = v128.load32_splat(scales);
  const groupBytes = (<usize>G) << 2;
  const nibble0 = i16x8.splat(0x000f);
  const nibble1 = i16x8.splat(0x00f0);
  const nibble2 = i16x8.splat(0x0f00);
  let packed = w + <usize>begin * panelBytesQb4w(K, G);
  for (let panel = begin; panel < end; panel++) {
    let sum = sums;
    let low = f32x4.splat(0);
    let high = f32x4.splat(0);
    for (let a = scratch, rowEnd = scratch + ((<usize>K) << 1); a < rowEnd; sum += 4) {
      const scaleLow = v128.load(packed);
      const scaleHigh = v128.load(packed, 16);
      packed += 32;
      let low02 = v128.load32_splat(sum);
      let high02 = i32x4.splat(0);
      let low13 = i32x4.splat(0);
      let high13 = low02;
      for (const groupEnd = packed + groupBytes; packed < groupEnd; packed += 16, a += 8) {
        const weights = v128.load(packed);
        const a02 = v128.load32_splat(a);
        const a13 = v128.load32_splat(a, 4);
        low02 = i32x4.add(low02, i32x4.dot_i16x8_s(v128.and(weights, nibble0), a02));
        high02 = i32x4.add(high02, i32x4.dot_i16x8_s(v128.and(weights, nibble1), a02));
        low13 = i32x4.add(low13, i32x4.dot_i16x8_s(v128.and(weights, nibble2), a13));
        high13 = i32x4.add(high13, i32x4.dot_i16x8_s(i16x8.shr_u(weights, 12), a13));
      }
      const dotLow = i32x4.add(low02, i32x4.shr_s(low13, 8));
      const dotHigh = i32x4.add(high13, i32x4.shr_s(high02, 4));
      low = f32x4.add(low, f32x4.mul(f32x4.convert_i32x4_s(dotLow), scaleLow));
      high = f32x4.add(high, f32x4.mul(f32x4.convert_i32x4_s(dotHigh), scaleHigh));
    }
    storeChannels(f32x4.mul(low, rowScale), f32x4.mul(high, rowScale), bias, y, panel * NR, N);
  }
}
