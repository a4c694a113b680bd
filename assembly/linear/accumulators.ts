/**
 * Where the accumulators of a group's dot products start, and what becomes of them: what the tile of a GEMM
 * (gemm-tile.ts) and the steps of a GEMV (gemv-group-qb4w.ts) share.
 *
 * The modes are literals at each call: what they exclude leaves no code behind.
 */
import { ZEROS_OFFSET } from "../layouts/layout-kept";
import { widenHalves } from "../math/halves";

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
 * both integers, the scale a byte; f32(dot) * scale + f32(sum(a)) * minimum is added, both floats; the same
 * of products with u - 128; the same as the last but one of a scale and a minimum in binary16.
 */
export const KEEP_HIGH_PLANE: i32 = 0;
export const KEEP_SIGN_PLANE: i32 = 1;
export const ADD_SCALED: i32 = 2;
export const ADD_INTEGERS: i32 = 3;
export const ADD_AFFINE: i32 = 4;
export const ADD_AFFINE_OFFSET: i32 = 5;
export const ADD_AFFINE_HALVES: i32 = 6;

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
  if (to == ADD_AFFINE_HALVES) return widenHalves(scale);
  return to >= ADD_SCALED ? v128.load(scale) : i32x4.splat(0);
}

/** Those of channels 4..7. */
@inline
export function loadScaleHigh(to: i32, scale: usize): v128 {
  if (to == ADD_INTEGERS) return i32x4.extend_high_i16x8_u(v128.load8x8_u(scale));
  if (to == ADD_AFFINE_HALVES) return widenHalves(scale + 8);
  return to >= ADD_SCALED ? v128.load(scale, 16) : i32x4.splat(0);
}

/** The minima of channels 0..3, which follow all scales. */
@inline
export function loadMinimumLow(to: i32, scale: usize): v128 {
  if (to == ADD_AFFINE_HALVES) return widenHalves(scale + 16);
  return to >= ADD_AFFINE ? v128.load(scale, 32) : f32x4.splat(0);
}

/** Those of channels 4..7. */
@inline
export function loadMinimumHigh(to: i32, scale: usize): v128 {
  if (to == ADD_AFFINE_HALVES) return widenHalves(scale + 24);
  return to >= ADD_AFFINE ? v128.load(scale, 48) : f32x4.splat(0);
}

/** -sum(a) of a row's group, from the -8 * sum(a) at `sum` (quantize-activations.ts), for affine modes. */
@inline
export function loadNegated(to: i32, sum: usize): v128 {
  return to >= ADD_AFFINE ? i32x4.shr_s(v128.load32_splat(sum), 3) : i32x4.splat(0);
}

/** f32(dot) * scale + f32(sum(a)) * minimum, each step rounded. `offset`: dot is of u - 128. */
@inline
function affine(offset: bool, dot: v128, scale: v128, minimum: v128, negated: v128): v128 {
  if (offset) dot = i32x4.sub(dot, i32x4.shl(negated, 7));
  const scaled = f32x4.mul(f32x4.convert_i32x4_s(dot), scale);
  return f32x4.sub(scaled, f32x4.mul(f32x4.convert_i32x4_s(negated), minimum));
}

/** What becomes of a group's dot products of four channels. `minimum` and `negated`: of affine modes. */
@inline
export function finish(to: i32, tile: usize, dot: v128, scale: v128, minimum: v128, negated: v128): void {
  if (to == KEEP_HIGH_PLANE) dot = i32x4.shl(dot, 7);
  else if (to == KEEP_SIGN_PLANE) dot = i32x4.neg(i32x4.shl(dot, 7));
  else if (to == ADD_INTEGERS) dot = i32x4.add(v128.load(tile), i32x4.mul(dot, scale));
  else if (to == ADD_SCALED) dot = addScaled(v128.load(tile), dot, scale);
  else dot = f32x4.add(v128.load(tile), affine(to == ADD_AFFINE_OFFSET, dot, scale, minimum, negated));
  v128.store(tile, dot);
}

/** What becomes of the dot products of one group of a GEMV's panel, whose 8 sums are at `total`. */
@inline
export function addToTotal(to: i32, total: usize, low: v128, high: v128, scale: usize, sum: usize): void {
  const negated = loadNegated(to, sum);
  finish(to, total, low, loadScaleLow(to, scale), loadMinimumLow(to, scale), negated);
  finish(to, total + 16, high, loadScaleHigh(to, scale), loadMinimumHigh(to, scale), negated);
}
