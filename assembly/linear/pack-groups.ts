/** What packing of weights in groups shares: the scales of a group, its nibbles, its bytes. */
import { NR } from "../layouts/layout";

/**
 * Scales of group `group` of the channels `row` .. `row + present - 1`, of scales f32[rows, groups], to 8
 * floats at `panel`; 0 for channels that are missing.
 */
@inline
export function packGroupScales(scales: usize, row: i32, present: i32, groups: i32, group: i32, panel: usize): void {
  let source = scales + ((<usize>row * groups + group) << 2);
  for (let c = 0; c < NR; c++, source += (<usize>groups) << 2) {
    store<f32>(panel + ((<usize>c) << 2), c < present ? load<f32>(source) : 0);
  }
}

/** Eight nibbles to the low halves of eight bytes. */
@inline
function spreadNibbles(word: u32): u64 {
  let spread = <u64>word;
  spread = (spread | (spread << 16)) & 0x0000ffff0000ffff;
  spread = (spread | (spread << 8)) & 0x00ff00ff00ff00ff;
  return (spread | (spread << 4)) & 0x0f0f0f0f0f0f0f0f;
}

/**
 * Words `words` .. `end - 1` of a row, and of `present - 1` rows `stride` bytes further each, to blocks of 16
 * bytes at `panel` (layout.ts); `padding` for rows that are missing. One word of a channel is two blocks;
 * channel c + 4 takes the high nibbles of channel c's bytes.
 */
@inline
export function packNibbles(words: usize, end: usize, stride: usize, present: i32, padding: u32, panel: usize): void {
  for (; words < end; words += 4, panel += 32) {
    for (let c = 0; c < 4; c++) {
      const low = c < present ? load<u32>(words + <usize>c * stride) : padding;
      const high = c + 4 < present ? load<u32>(words + <usize>(c + 4) * stride) : padding;
      const bytes = spreadNibbles(low) | (spreadNibbles(high) << 4);
      store<u32>(panel + ((<usize>c) << 2), <u32>bytes);
      store<u32>(panel + ((<usize>c) << 2), <u32>(bytes >> 32), 16);
    }
  }
}

/** Four bytes of u become q = u - 128 in two's complement when their top bits flip. */
const OFFSETS: u32 = 0x80808080;

/**
 * Words `words` .. `end - 1` of a row, each four bytes u, and of `present - 1` rows `stride` bytes further
 * each, to blocks of 32 bytes of q = u - 128 at `panel` (layout.ts); q = 0 for rows that are missing.
 */
@inline
export function packOffsetBytes(words: usize, end: usize, stride: usize, present: i32, panel: usize): void {
  for (; words < end; words += 4) {
    for (let c = 0; c < NR; c++, panel += 4) {
      store<u32>(panel, (c < present ? load<u32>(words + <usize>c * stride) : OFFSETS) ^ OFFSETS);
    }
  }
}
