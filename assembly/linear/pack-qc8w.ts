/**
 * Packing of 8-bit weights: rows as compressed-tensors stores them, to panels.
 *
 *   source   i32[rows, K/4]
 *            element 4w + j of a row in bits 8j .. 8j+7 of word w, as q + 128 (`pack-quantized`, num_bits 8)
 *   scales   f32[rows]
 *   packed   qc8w panels of an [N, K] matrix (layout.ts); channels rowBegin .. rowBegin + rows - 1 are
 *            written
 *
 * Preconditions: rowBegin % 8 == 0; rows % 8 == 0 unless they end at N, where the last panel is padded; K %
 * 16 == 0. Reads and writes nothing outside the shapes. Pieces of one matrix may be packed in any order.
 */
import { CHANNEL_BLOCK, NR, panelBytesQc8w } from "../layouts/layout";

/** Four bytes of q + 128 become two's complement when their top bits flip; padding, 128, becomes 0. */
const OFFSETS: u32 = 0x80808080;

/** Sum of `count` values q, stored as q + 128. */
@inline
function sumCodes(words: usize, count: i32): i32 {
  let sum = i32x4.splat(0);
  for (const end = words + <usize>count; words < end; words += 16) {
    sum = i32x4.add(sum, i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(v128.load(words))));
  }
  const lanes = i32x4.add(sum, i32x4.shuffle(sum, sum, 2, 3, 0, 1));
  return i32x4.extract_lane(lanes, 0) + i32x4.extract_lane(lanes, 1) - 128 * count;
}

export function pack_qc8w(source: usize, scales: usize, packed: usize, rowBegin: i32, rows: i32, N: i32, K: i32): void {
  let panel = packed + <usize>(rowBegin / NR) * panelBytesQc8w(K);
  for (let row = 0; row < rows; row += NR) {
    const present = min(NR, rows - row);
    let words = source + <usize>row * K;
    for (let c = 0; c < NR; c++, panel += 4) {
      store<f32>(panel, c < present ? load<f32>(scales + ((<usize>(row + c)) << 2)) : 0);
    }
    for (let k = 0; k < K; k += CHANNEL_BLOCK) {
      const count = min(CHANNEL_BLOCK, K - k);
      for (let c = 0; c < NR; c++, panel += 4) {
        store<i32>(panel, c < present ? -64 * sumCodes(words + <usize>(c * K + k), count) : 0);
      }
    }
    for (const end = words + K; words < end; words += 4) {
      for (let c = 0; c < NR; c++, panel += 4) {
        store<u32>(panel, (c < present ? load<u32>(words + <usize>c * K) : OFFSETS) ^ OFFSETS);
      }
    }
  }
}
