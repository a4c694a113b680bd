/**
 * Where the accumulators of a group's dot products start, and what becomes of them: what the tile of a GEMM
 * (gemm-tile.ts) and the steps of a GEMV (gemv-group-qb4w.ts) share.
 *
 * The modes are literals at each call: what they exclude leaves no code behind.
 */
import { ZEROS_OFFSET } from "../layouts/layout-kept";

/**
 * What the accumulators of a group start from: 0; one i32 for all channels of a row; one for each channel; a
 * row's -8 * sum(a) times each channel's zero point / 8 (zeroStart).
 */
export const FROM_ZERO: i32 = 0;
export const FROM_SUM: i32 = 1;
export const FROM_CHANNELS: i32 = 2;
export const FROM_ZERO_POINTS: i32 = 3;
/**
 * What becomes of them: i32 128 * dot, or -128 * dot; f32(dot) * scale is added to the tile; dot * scale is,
 * both integers, the scale a byte.
 */
export const KEEP_HIGH_PLANE: i32 = 0;
export const KEEP_SIGN_PLANE: i32 = 1;
export const ADD_SCALED: i32 = 2;
export const ADD_INTEGERS: i32 = 3;

/** f32(dot) * scale onto sum, both rounded. */
@inline
export function addScaled(sum: v128, dot: v128, scale: v128): v128 {
  return f32x4.add(sum, f32x4.mul(f32x4.convert_i32x4_s(dot), scale));
}

/**
 * -z * sum(a) of four channels, from -8 * sum(a) (quantize-activations.ts), a multiple of 8, and their zero
 * points, int16.
 */
@inline
export function zeroStart(sum: usize, zeros: usize): v128 {
  return i32x4.mul(i32x4.shr_s(v128.load32_splat(sum), 3), v128.load16x4_s(zeros));
}

/** Where the accumulators of channels 0..3 start. */
@inline
export function startLow(from: i32, sum: usize, scale: usize): v128 {
  if (from == FROM_CHANNELS) return v128.load(sum);
  if (from == FROM_ZERO_POINTS) return zeroStart(sum, scale + ZEROS_OFFSET);
  return from == FROM_SUM ? v128.load32_splat(sum) : i32x4.splat(0);
}

/** The same of channels 4..7; `low` is what startLow gave. */
@inline
export function startHigh(from: i32, sum: usize, scale: usize, low: v128): v128 {
  if (from == FROM_ZERO_POINTS) return zeroStart(sum, scale + ZEROS_OFFSET + 8);
  return from == FROM_CHANNELS ? v128.load(sum, 16) : low;
}

/** The scales of channels 0..3; a plane that is kept has none. */
@inline
export function loadScaleLow(to: i32, scale: usize): v128 {
  if (to == ADD_INTEGERS) return i32x4.extend_low_i16x8_u(v128.load8x8_u(scale));
  return to == ADD_SCALED ? v128.load(scale) : i32x4.splat(0);
}

/** Those of channels 4..7. */
@inline
export function loadScaleHigh(to: i32, scale: usize): v128 {
  if (to == ADD_INTEGERS) return i32x4.extend_high_i16x8_u(v128.load8x8_u(scale));
  return to == ADD_SCALED ? v128.load(scale, 16) : i32x4.splat(0);
}

/** What becomes of a group's dot products of four channels. */
@inline
export function finish(to: i32, tile: usize, dot: v128, scale: v128): void {
  if (to == KEEP_HIGH_PLANE) dot = i32x4.shl(dot, 7);
  else if (to == KEEP_SIGN_PLANE) dot = i32x4.neg(i32x4.shl(dot, 7));
  else if (to == ADD_INTEGERS) dot = i32x4.add(v128.load(tile), i32x4.mul(dot, scale));
  else dot = addScaled(v128.load(tile), dot, scale);
  v128.store(tile, dot);
}
