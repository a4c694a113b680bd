/**
 * y[N] = (a[K] * w[N, K]^T) * scales[0] + bias[N]      decode: one row of 8-bit activations, 8-bit weights per channel (the head)
 *
 *   dot[n] = sum over k of a[k] * q[n, k]                               exact, i32
 *   y[n]   = (0 + dot[n] * s[n]) * scales[0] + bias[n]                  f32, each step rounded
 *
 *   q        i8[K]          -128..127
 *   scales   f32[1]
 *   w        qc8w panels    layout.ts
 *   bias     f32[N]         or 0 for none
 *   y        f32[N]
 *   scratch  i16[K]         the thread's own
 *
 * Units of work: panels begin..end of 8 channels. Writes y of these panels' channels below N and nothing else; no over-read.
 * Preconditions: K % 16 == 0, K <= 2^16 (128 * 127 * K stays in i32); 16-byte alignment is fastest, none is needed.
 *
 * Tile 1x8c4: three shifts and two 16-bit dot products for each 16 bytes, less than the memory takes to bring them.
 */
import { NR, panelBytesQc8w } from "./layout";
import { storeChannels } from "./store-channels";
import { widenRow } from "./widen-activations";

export function gemv_qd8_f32_qc8w_1x8c4(
  q: usize,
  scales: usize,
  w: usize,
  bias: usize,
  y: usize,
  N: i32,
  K: i32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  widenRow(q, scratch, K, 1);
  const rowScale = v128.load32_splat(scales);
  let packed = w + <usize>begin * panelBytesQc8w(K);
  for (let panel = begin; panel < end; panel++) {
    const scaleLow = v128.load(packed);
    const scaleHigh = v128.load(packed, 16);
    packed += 32;
    let low02 = i32x4.splat(0);
    let low13 = i32x4.splat(0);
    let high02 = i32x4.splat(0);
    let high13 = i32x4.splat(0);
    for (let a = scratch, panelEnd = packed + ((<usize>K) << 3); packed < panelEnd; packed += 32, a += 8) {
      const a02 = v128.load32_splat(a);
      const a13 = v128.load32_splat(a, 4);
      const low = v128.load(packed);
      const high = v128.load(packed, 16);
      low02 = i32x4.add(low02, i32x4.dot_i16x8_s(i16x8.shr_s(i16x8.shl(low, 8), 8), a02));
      low13 = i32x4.add(low13, i32x4.dot_i16x8_s(i16x8.shr_s(low, 8), a13));
      high02 = i32x4.add(high02, i32x4.dot_i16x8_s(i16x8.shr_s(i16x8.shl(high, 8), 8), a02));
      high13 = i32x4.add(high13, i32x4.dot_i16x8_s(i16x8.shr_s(high, 8), a13));
    }
    const zero = f32x4.splat(0);
    const low = f32x4.add(zero, f32x4.mul(f32x4.convert_i32x4_s(i32x4.add(low02, low13)), scaleLow));
    const high = f32x4.add(zero, f32x4.mul(f32x4.convert_i32x4_s(i32x4.add(high02, high13)), scaleHigh));
    storeChannels(f32x4.mul(low, rowScale), f32x4.mul(high, rowScale), bias, y, panel * NR, N);
  }
}
