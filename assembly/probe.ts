/**
 * What tells the dot products of an engine apart, at load (`src/kernels/dot-probe.ts`): what the relaxed
 * 32-bit dot makes of bytes above 127, which the proposal leaves to the engine, and what each dot costs.
 *
 * The loops do what a GEMM over 4-bit weights does with each dot, MACS_PER_STEP multiply-accumulates a step
 * in eight chains, which hide an instruction's latency. `seed` keeps compilers from knowing the operands,
 * results are returned so that none drops the work.
 */

/** Lane 0 of the relaxed dot of four `a` with four `b`, both i8, onto 0. */
export function relaxed_dot_lane(a: i32, b: i32): i32 {
  return i32x4.extract_lane(i32x4.relaxed_dot_i8x16_i7x16_add_s(i8x16.splat(<i8>a), i8x16.splat(<i8>b), i32x4.splat(0)), 0);
}

export const MACS_PER_STEP: i32 = 128;

/** simd128: two products of 16-bit operands for the work of one 8-bit one. */
export function dot_i16x8_loop(seed: i32, steps: i32): i32 {
  const a = i16x8.splat(<i16>seed);
  let s0 = i32x4.splat(seed),
    s1 = s0,
    s2 = s0,
    s3 = s0,
    s4 = s0,
    s5 = s0,
    s6 = s0,
    s7 = s0;
  for (; steps > 0; steps--) {
    s0 = wide(s0, a);
    s1 = wide(s1, a);
    s2 = wide(s2, a);
    s3 = wide(s3, a);
    s4 = wide(s4, a);
    s5 = wide(s5, a);
    s6 = wide(s6, a);
    s7 = wide(s7, a);
  }
  return joined(s0, s1, s2, s3, s4, s5, s6, s7);
}

export function relaxed_dot_i32_loop(seed: i32, steps: i32): i32 {
  const a = i8x16.splat(<i8>seed);
  const b = i8x16.splat(<i8>(seed & 15));
  let s0 = i32x4.splat(seed),
    s1 = s0,
    s2 = s0,
    s3 = s0,
    s4 = s0,
    s5 = s0,
    s6 = s0,
    s7 = s0;
  for (; steps > 0; steps--) {
    s0 = i32x4.relaxed_dot_i8x16_i7x16_add_s(a, b, s0);
    s1 = i32x4.relaxed_dot_i8x16_i7x16_add_s(a, b, s1);
    s2 = i32x4.relaxed_dot_i8x16_i7x16_add_s(a, b, s2);
    s3 = i32x4.relaxed_dot_i8x16_i7x16_add_s(a, b, s3);
    s4 = i32x4.relaxed_dot_i8x16_i7x16_add_s(a, b, s4);
    s5 = i32x4.relaxed_dot_i8x16_i7x16_add_s(a, b, s5);
    s6 = i32x4.relaxed_dot_i8x16_i7x16_add_s(a, b, s6);
    s7 = i32x4.relaxed_dot_i8x16_i7x16_add_s(a, b, s7);
  }
  return joined(s0, s1, s2, s3, s4, s5, s6, s7);
}

/** Without the widening that every eighth step of a kernel adds. */
export function relaxed_dot_i16_loop(seed: i32, steps: i32): i32 {
  const b = i8x16.splat(<i8>(seed & 15));
  let s0 = i16x8.splat(<i16>seed),
    s1 = s0,
    s2 = s0,
    s3 = s0,
    s4 = s0,
    s5 = s0,
    s6 = s0,
    s7 = s0;
  for (; steps > 0; steps--) {
    s0 = narrow(s0, b);
    s1 = narrow(s1, b);
    s2 = narrow(s2, b);
    s3 = narrow(s3, b);
    s4 = narrow(s4, b);
    s5 = narrow(s5, b);
    s6 = narrow(s6, b);
    s7 = narrow(s7, b);
  }
  return joined(s0, s1, s2, s3, s4, s5, s6, s7);
}

/** The operands depend on the sum, or a compiler computes the product once for all. */
@inline
function wide(sum: v128, a: v128): v128 {
  return i32x4.add(i32x4.add(sum, i32x4.dot_i16x8_s(sum, a)), i32x4.dot_i16x8_s(a, sum));
}


@inline
function narrow(sum: v128, b: v128): v128 {
  return i16x8.add(sum, i16x8.relaxed_dot_i8x16_i7x16_s(sum, b));
}


@inline
function joined(s0: v128, s1: v128, s2: v128, s3: v128, s4: v128, s5: v128, s6: v128, s7: v128): i32 {
  const low = i32x4.add(i32x4.add(s0, s1), i32x4.add(s2, s3));
  return i32x4.extract_lane(i32x4.add(low, i32x4.add(i32x4.add(s4, s5), i32x4.add(s6, s7))), 0);
}
