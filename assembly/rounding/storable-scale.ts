/**
 * A weight scale as the checkpoint will hold it: rounded first, so that weights are rounded to what a reader
 * multiplies by.
 *
 *   type 0: f32    1: bf16, the upper half of an f32    2: f16, 5 bits of exponent; all round half to even
 *
 * Twins of `src/quantizer/recipe/scale-type.ts`, which encodes the bytes.
 */
export const SCALE_BF16: i32 = 1;
export const SCALE_F16: i32 = 2;

export function storableScale(scale: f32, type: i32): f32 {
  const bits = reinterpret<u32>(scale);
  if (type == SCALE_BF16) return reinterpret<f32>((bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff0000);
  if (type != SCALE_F16) return scale;
  const magnitude = bits & 0x7fffffff;
  // Below 2^-14 the spacing is fixed at 2^-24, which is the spacing of f32 at 0.5.
  if (magnitude < 0x38800000) {
    const spaced: f32 = abs<f32>(scale) + 0.5 - 0.5;
    return scale < 0 ? -spaced : spaced;
  }
  return reinterpret<f32>((bits + 0xfff + ((bits >> 13) & 1)) & 0xffffe000);
}
