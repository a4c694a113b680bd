/**
 * The activations of MLPs without a gate: y[m,f] = gelu(x[m,f]), its form with tanh, or relu.
 * Equations, errors, NaN and infinities: math/gelu.ts.
 *
 *   x  f32[M, F]   the first F of rows of `stride` floats
 *   y  f32[M, F]   rows follow one another; may be x where stride is F
 *
 * Reads and writes nothing outside the shapes. Units: rows; pointers are those of row 0.
 */
import { gelu4, geluTanh4, relu4 } from "../math/gelu";
import { loadPartial, storePartial } from "../math/simd";

const GELU: i32 = 0;
const GELU_TANH: i32 = 1;
const RELU: i32 = 2;


@inline
function activate4(kind: i32, x: v128): v128 {
  if (kind == GELU) return gelu4(x);
  if (kind == GELU_TANH) return geluTanh4(x);
  return relu4(x);
}

/**
 * One row of F; `y` may be `x`. `kind` is a literal.
 *
 * Why two vectors in a step: one waits for its own chain of operations. Measured on a Zen core, F = 1536,
 * Node 20, ns an element: gelu 1.90 (four: 2.01), with tanh 1.73 (four: 1.42). A copy of the functions takes
 * 860 and 680 bytes, so that two are what pays.
 */
@inline
function activateRow(kind: i32, x: usize, y: usize, F: i32): void {
  let left = F;
  for (; left >= 8; left -= 8) {
    const a0 = activate4(kind, v128.load(x, 0));
    const a1 = activate4(kind, v128.load(x, 16));
    v128.store(y, a0, 0);
    v128.store(y, a1, 16);
    x += 32;
    y += 32;
  }
  for (; left > 0; left -= 4) {
    const a = activate4(kind, left >= 4 ? v128.load(x) : loadPartial(x, left));
    if (left >= 4) v128.store(y, a);
    else storePartial(y, a, left);
    x += 16;
    y += 16;
  }
}

/** Not inlined, as the next two: one call for each row costs nothing, and two kernels share it. */
export function geluRow(x: usize, y: usize, F: i32): void {
  activateRow(GELU, x, y, F);
}

export function geluTanhRow(x: usize, y: usize, F: i32): void {
  activateRow(GELU_TANH, x, y, F);
}

export function reluRow(x: usize, y: usize, F: i32): void {
  activateRow(RELU, x, y, F);
}

export function gelu_f32(x: usize, y: usize, F: i32, stride: i32, begin: i32, end: i32): void {
  for (let m = <usize>begin; m < <usize>end; m++) geluRow(x + ((m * stride) << 2), y + ((m * F) << 2), F);
}

export function gelu_tanh_f32(x: usize, y: usize, F: i32, stride: i32, begin: i32, end: i32): void {
  for (let m = <usize>begin; m < <usize>end; m++) geluTanhRow(x + ((m * stride) << 2), y + ((m * F) << 2), F);
}

export function relu_f32(x: usize, y: usize, F: i32, stride: i32, begin: i32, end: i32): void {
  for (let m = <usize>begin; m < <usize>end; m++) reluRow(x + ((m * stride) << 2), y + ((m * F) << 2), F);
}
