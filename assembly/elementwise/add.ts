/**
 * Residual connection: x[m,k] += y[m,k], both f32[M, K]. Reads and writes nothing outside them. Units: rows.
 */
import { loadPartial, storePartial } from "../math/simd";


@inline
function addRow(x: usize, y: usize, K: i32): void {
  for (const end = x + ((<usize>(K & ~3)) << 2); x < end; x += 16) {
    v128.store(x, f32x4.add(v128.load(x), v128.load(y)));
    y += 16;
  }
  const rest = K & 3;
  storePartial(x, f32x4.add(loadPartial(x, rest), loadPartial(y, rest)), rest);
}

/**
 * Row m of x += residual (0: none). Not inlined: one call for each row costs nothing, and four kernels share
 * it.
 */
export function addResidual(x: usize, residual: usize, m: usize, K: i32): void {
  const row = (m * K) << 2;
  if (residual != 0) addRow(x + row, residual + row, K);
}

export function add_f32(x: usize, y: usize, K: i32, begin: i32, end: i32): void {
  for (let m = <usize>begin; m < <usize>end; m++) addRow(x + ((m * K) << 2), y + ((m * K) << 2), K);
}
