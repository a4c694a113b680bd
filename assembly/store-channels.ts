/** The end of a row of a tile: add the bias, store the channels that exist. */
import { NR } from "./layout";

/**
 * Stores channels n .. n + 7 of a row of y[N], plus bias[N] if `bias` is not 0. The last panel may reach past N: its channels that do not exist
 * are neither loaded from `bias` nor stored.
 */
@inline
export function storeChannels(low: v128, high: v128, bias: usize, y: usize, n: i32, N: i32): void {
  const offset = (<usize>n) << 2;
  if (n + NR <= N) {
    if (bias != 0) {
      low = f32x4.add(low, v128.load(bias + offset));
      high = f32x4.add(high, v128.load(bias + offset, 16));
    }
    v128.store(y + offset, low);
    v128.store(y + offset, high, 16);
  } else {
    storeTail(low, high, bias, y + offset, offset, N - n);
  }
}

/** One to seven channels, each the first lane of what is left. */
@inline
function storeTail(low: v128, high: v128, bias: usize, y: usize, offset: usize, count: i32): void {
  let rest = low;
  for (let c = 0; c < count; c++) {
    let value = f32x4.extract_lane(rest, 0);
    if (bias != 0) value += load<f32>(bias + offset + ((<usize>c) << 2));
    store<f32>(y + ((<usize>c) << 2), value);
    rest = c == 3 ? high : i8x16.shuffle(rest, rest, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3);
  }
}
