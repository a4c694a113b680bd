/**
 * Index of the largest of x f32[count]; the lowest index among equals; NaN never wins; 0 where nothing but
 * NaN is. Reads nothing outside it. Whole.
 *
 * Two passes, the largest value and then its first place: a running index beside each running maximum costs
 * more than the second pass, which stops half way on average.
 */
import { maxOf } from "../math/simd";

export function argmax_f32(x: usize, count: i32): i32 {
  const start = x;
  const largest = maxOf(x, count);
  const splat = f32x4.splat(largest);
  for (const end = x + ((<usize>(count & ~15)) << 2); x < end; x += 64) {
    const low = v128.or(f32x4.eq(v128.load(x), splat), f32x4.eq(v128.load(x, 16), splat));
    const high = v128.or(f32x4.eq(v128.load(x, 32), splat), f32x4.eq(v128.load(x, 48), splat));
    if (v128.any_true(v128.or(low, high))) break;
  }
  for (const end = start + ((<usize>count) << 2); x < end; x += 4) {
    if (load<f32>(x) == largest) return <i32>((x - start) >> 2);
  }
  return 0;
}
