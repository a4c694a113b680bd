/**
 * Index of the first NaN or infinity in x f32[count], or -1. Reads nothing outside it. Whole.
 *
 * A float is not finite when its eight exponent bits are all ones. Four vectors are tested at a time, so that
 * the common case, none, is bound by loads.
 */

@inline
function isNonfinite(x: v128): v128 {
  const exponent = i32x4.splat(0x7f800000);
  return i32x4.eq(v128.and(x, exponent), exponent);
}

export function first_nonfinite_f32(x: usize, count: i32): i32 {
  const start = x;
  for (const end = x + ((<usize>(count & ~15)) << 2); x < end; x += 64) {
    const low = v128.or(isNonfinite(v128.load(x)), isNonfinite(v128.load(x, 16)));
    const high = v128.or(isNonfinite(v128.load(x, 32)), isNonfinite(v128.load(x, 48)));
    if (v128.any_true(v128.or(low, high))) break;
  }
  for (const end = start + ((<usize>count) << 2); x < end; x += 4) {
    if ((load<u32>(x) & 0x7f800000) == 0x7f800000) return <i32>((x - start) >> 2);
  }
  return -1;
}
