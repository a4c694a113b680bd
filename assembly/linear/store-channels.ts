/** The end of a row of a tile: add the bias, store the channels that exist. */
import { NR } from "../layouts/layout";
import { loadPartial, storePartial } from "../math/simd";

/**
 * Stores channels n .. n + 7 of a row of y[N], plus bias[N] if `bias` is not 0. The last panel may reach past
 * N: channels that do not exist are neither loaded from `bias` nor stored.
 */
@inline
export function storeChannels(low: v128, high: v128, bias: usize, y: usize, n: i32, N: i32): void {
  const offset = (<usize>n) << 2;
  const count = N - n;
  storeUpTo4(low, bias, offset, y, min(count, 4));
  if (count > 4) storeUpTo4(high, bias, offset + 16, y, min(count - 4, 4));
}


@inline
function storeUpTo4(value: v128, bias: usize, offset: usize, y: usize, count: i32): void {
  if (count == 4) {
    v128.store(y + offset, bias == 0 ? value : f32x4.add(value, v128.load(bias + offset)));
  } else storeFewer(value, bias, offset, y, count);
}

/** Not inlined: what only the last panel of a matrix can need would be half of each tile's code. */
function storeFewer(value: v128, bias: usize, offset: usize, y: usize, count: i32): void {
  storePartial(y + offset, bias == 0 ? value : f32x4.add(value, loadPartial(bias + offset, count)), count);
}
