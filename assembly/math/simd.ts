/**
 * Tiny steps several kernels share: tails of fewer than four lanes, and reductions across lanes in one fixed
 * order.
 */

/**
 * 0 for any `size`, since none is negative. V8 does not know that: a constant or'ed with it stays in a
 * register, while a plain constant is made anew, by three instructions, at each use (docs/kernels.md).
 */
@inline
export function unknownZero(size: i32): i32 {
  return size >>> 31;
}

/** 0x0f in all bytes: what a nibble is masked with. */
@inline
export function nibbleMask(size: i32): v128 {
  return i8x16.splat(<i8>(0x0f | unknownZero(size)));
}

/**
 * The `count` (0 to 3) floats at `p`, then the lanes of `fill`. Reads nothing past them. Not inlined, as the
 * next two: a call or two for each row costs nothing, and thirty copies would take 2 KB.
 */
export function loadPartialOver(fill: v128, p: usize, count: i32): v128 {
  if (count == 3) return v128.load32_lane(p + 8, v128.load64_lane(p, fill, 0), 2);
  if (count == 2) return v128.load64_lane(p, fill, 0);
  if (count == 1) return v128.load32_lane(p, fill, 0);
  return fill;
}

/** The `count` (0 to 3) floats at `p`, then zeros. */
export function loadPartial(p: usize, count: i32): v128 {
  return loadPartialOver(f32x4.splat(0), p, count);
}

/** The first `count` (0 to 3) lanes of `v` to `p`. Writes nothing past them. */
export function storePartial(p: usize, v: v128, count: i32): void {
  if (count == 1) {
    v128.store32_lane(p, v, 0);
  } else if (count > 1) {
    v128.store64_lane(p, v, 0);
    if (count == 3) v128.store32_lane(p + 8, v, 2);
  }
}

/** Lanes 0 and 1 in f64. */
@inline
export function widenLow(v: v128): v128 {
  return f64x2.promote_low_f32x4(v);
}

/** Lanes 2 and 3 in f64. */
@inline
export function widenHigh(v: v128): v128 {
  return f64x2.promote_low_f32x4(i64x2.shuffle(v, v, 1, 1));
}

/** (v0 + v1) + (v2 + v3). */
@inline
export function sumLanes(v: v128): f32 {
  const low = f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1);
  return low + (f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3));
}

/** The same order for four f64 lanes in two vectors. */
@inline
export function sumWideLanes(low: v128, high: v128): f64 {
  const lowSum = f64x2.extract_lane(low, 0) + f64x2.extract_lane(low, 1);
  return lowSum + (f64x2.extract_lane(high, 0) + f64x2.extract_lane(high, 1));
}

/** The largest lane; NaN wins only from lane 0. */
@inline
export function maxLanes(v: v128): f32 {
  v = f32x4.pmax(v, i32x4.shuffle(v, v, 2, 3, 0, 1));
  return f32x4.extract_lane(f32x4.pmax(v, i32x4.shuffle(v, v, 1, 0, 3, 2)), 0);
}

/** The largest element of x f32[count]; NaN never wins; -inf where nothing else is. */
@inline
export function maxOf(x: usize, count: i32): f32 {
  let max0 = f32x4.splat(-Infinity),
    max1 = max0,
    max2 = max0,
    max3 = max0;
  for (const end = x + ((<usize>(count & ~15)) << 2); x < end; x += 64) {
    max0 = f32x4.pmax(max0, v128.load(x));
    max1 = f32x4.pmax(max1, v128.load(x, 16));
    max2 = f32x4.pmax(max2, v128.load(x, 32));
    max3 = f32x4.pmax(max3, v128.load(x, 48));
  }
  for (const end = x + ((<usize>(count & 12)) << 2); x < end; x += 16) max0 = f32x4.pmax(max0, v128.load(x));
  max1 = f32x4.pmax(max1, loadPartialOver(max1, x, count & 3));
  max0 = f32x4.pmax(f32x4.pmax(max0, max1), f32x4.pmax(max2, max3));
  return maxLanes(max0);
}
