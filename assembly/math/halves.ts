/** IEEE 754 binary16. */

/** 2^112: what the exponents of binary16 and of f32 differ by. */
const REBIAS: f32 = 5192296858534827628530496329220096.0;

/**
 * Four finite binary16 at `p` to f32, exactly: sign, exponent and fraction moved to their places in f32, then
 * the exponent's bias made up for by a product, which takes subnormals along. Infinities and NaN come out
 * finite.
 */
@inline
export function widenHalves(p: usize): v128 {
  const moved = v128.and(i32x4.shl(v128.load16x4_s(p), 13), i32x4.splat(<i32>0x8fffe000));
  return f32x4.mul(moved, f32x4.splat(REBIAS));
}
