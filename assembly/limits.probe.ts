/**
 * What the machine can do at best, for bench/limits.ts: multiply-accumulates by the build's 128-bit dot
 * product, and plain reads.
 *
 * Each limit has several loops, since neither the number of accumulators that hides an instruction's latency
 * nor the number of streams a prefetcher follows is known beforehand: the best counts. Compiled like the
 * kernels, never shipped. Results are returned only so that no compiler may drop the work.
 */

/** Multiply-accumulates of one product. */
export const MACS_PER_PRODUCT: i32 = ASC_FEATURE_RELAXED_SIMD ? 16 : 8;

/** What the kernels call one product: one instruction in the relaxed build, two in the others. */
@inline
function multiplyAdd(acc: v128, a: v128, b: v128): v128 {
  if (DOT_I16) return i16x8.add(acc, i16x8.relaxed_dot_i8x16_i7x16_s(a, b));
  if (ASC_FEATURE_RELAXED_SIMD) return i32x4.relaxed_dot_i8x16_i7x16_add_s(a, b, acc);
  return i32x4.add(acc, i32x4.dot_i16x8_s(a, b));
}

/**
 * A product that is an instruction of its own must depend on its accumulator, or it is computed once for all.
 */
@inline
function chained(acc: v128, a: v128, b: v128): v128 {
  return multiplyAdd(acc, ASC_FEATURE_RELAXED_SIMD && !DOT_I16 ? a : acc, b);
}

/** N (a literal, 8 to 14) independent accumulators, operands in registers. */
@inline
function products(N: i32, p: usize, steps: i32): i32 {
  const a = v128.load(p);
  const b = v128.and(v128.load(p, 16), i8x16.splat(127));
  let s0 = i32x4.splat(0),
    s1 = i32x4.splat(1),
    s2 = i32x4.splat(2),
    s3 = i32x4.splat(3),
    s4 = i32x4.splat(4),
    s5 = i32x4.splat(5),
    s6 = i32x4.splat(6),
    s7 = i32x4.splat(7),
    s8 = i32x4.splat(8),
    s9 = i32x4.splat(9),
    s10 = i32x4.splat(10),
    s11 = i32x4.splat(11),
    s12 = i32x4.splat(12);
  for (let step = 0; step < steps; step++) {
    s0 = chained(s0, a, b);
    s1 = chained(s1, a, b);
    s2 = chained(s2, a, b);
    s3 = chained(s3, a, b);
    s4 = chained(s4, a, b);
    s5 = chained(s5, a, b);
    s6 = chained(s6, a, b);
    s7 = chained(s7, a, b);
    if (N > 8) s8 = chained(s8, a, b);
    if (N > 8) s9 = chained(s9, a, b);
    if (N > 10) s10 = chained(s10, a, b);
    if (N > 10) s11 = chained(s11, a, b);
    if (N > 12) s12 = chained(s12, a, b);
  }
  s0 = i32x4.add(i32x4.add(i32x4.add(s0, s1), i32x4.add(s2, s3)), i32x4.add(i32x4.add(s4, s5), i32x4.add(s6, s7)));
  s8 = i32x4.add(i32x4.add(s8, s9), i32x4.add(i32x4.add(s10, s11), s12));
  return i32x4.extract_lane(i32x4.add(s0, s8), 0);
}

export function products_8(p: usize, steps: i32): i32 {
  return products(8, p, steps);
}

export function products_10(p: usize, steps: i32): i32 {
  return products(10, p, steps);
}

export function products_12(p: usize, steps: i32): i32 {
  return products(12, p, steps);
}

export function products_13(p: usize, steps: i32): i32 {
  return products(13, p, steps);
}

/** Eight accumulators, four operands loaded in each step from 4 KiB at `p`. */
export function products_loaded_8(p: usize, steps: i32): i32 {
  const b = v128.and(v128.load(p, 16), i8x16.splat(127));
  const c = v128.and(v128.load(p, 32), i8x16.splat(127));
  let s0 = i32x4.splat(0),
    s1 = s0,
    s2 = s0,
    s3 = s0,
    s4 = s0,
    s5 = s0,
    s6 = s0,
    s7 = s0;
  for (let step = 0; step < steps; step++) {
    const at = p + ((<usize>(step & 63)) << 6);
    const a0 = v128.load(at),
      a1 = v128.load(at, 16),
      a2 = v128.load(at, 32),
      a3 = v128.load(at, 48);
    s0 = multiplyAdd(s0, a0, b);
    s1 = multiplyAdd(s1, a1, b);
    s2 = multiplyAdd(s2, a2, b);
    s3 = multiplyAdd(s3, a3, b);
    s4 = multiplyAdd(s4, a0, c);
    s5 = multiplyAdd(s5, a1, c);
    s6 = multiplyAdd(s6, a2, c);
    s7 = multiplyAdd(s7, a3, c);
  }
  s0 = i32x4.add(i32x4.add(i32x4.add(s0, s1), i32x4.add(s2, s3)), i32x4.add(i32x4.add(s4, s5), i32x4.add(s6, s7)));
  return i32x4.extract_lane(s0, 0);
}

/** A cache line onto a sum. */
@inline
function addLine(sum: v128, p: usize): v128 {
  const low = v128.xor(v128.load(p), v128.load(p, 16));
  return v128.xor(sum, v128.xor(low, v128.xor(v128.load(p, 32), v128.load(p, 48))));
}

/** `bytes`, a multiple of 64 * N, as N (a literal) streams side by side. */
@inline
function read(N: i32, p: usize, bytes: usize): i32 {
  const stream = bytes / N;
  const p1 = p + stream,
    p2 = p1 + stream,
    p3 = p2 + stream;
  let s0 = i32x4.splat(0),
    s1 = s0,
    s2 = s0,
    s3 = s0;
  for (let at: usize = 0; at < stream; at += 64) {
    s0 = addLine(s0, p + at);
    if (N > 1) s1 = addLine(s1, p1 + at);
    if (N > 2) s2 = addLine(s2, p2 + at);
    if (N > 2) s3 = addLine(s3, p3 + at);
  }
  return i32x4.extract_lane(v128.xor(v128.xor(s0, s1), v128.xor(s2, s3)), 0);
}

export function read_1(p: usize, bytes: usize): i32 {
  return read(1, p, bytes);
}

export function read_2(p: usize, bytes: usize): i32 {
  return read(2, p, bytes);
}

export function read_4(p: usize, bytes: usize): i32 {
  return read(4, p, bytes);
}
