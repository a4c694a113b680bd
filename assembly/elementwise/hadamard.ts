/**
 * Walsh-Hadamard transform of blocks of a row:
 *
 *   y[m, b*size + i] = scale * sum over j of H[i, j] x[m, b*size + j]
 *
 *   H[i, j] = (-1)^(number of bits that i and j have in common): symmetric, H H = size * identity
 *   x, y    f32[M, K]; y may be x
 *   size    a power of two that divides K
 *
 * x * scale first, then butterflies (u, v) -> (u + v, u - v) of elements 1, 2, 4, ... size/2 apart: this
 * order of rounding fixes all bits. Reads and writes nothing outside the shapes. Units: rows.
 */
import { loadPartial, storePartial } from "../math/simd";

/** Butterflies of lanes 1 and 2 apart, all within a vector: a difference is a sum with the sign turned. */
@inline
function withinVector(v: v128): v128 {
  const odd = i32x4(0, i32.MIN_VALUE, 0, i32.MIN_VALUE);
  const high = i32x4(0, 0, i32.MIN_VALUE, i32.MIN_VALUE);
  v = f32x4.add(i32x4.shuffle(v, v, 0, 0, 2, 2), v128.xor(i32x4.shuffle(v, v, 1, 1, 3, 3), odd));
  return f32x4.add(i32x4.shuffle(v, v, 0, 1, 0, 1), v128.xor(i32x4.shuffle(v, v, 2, 3, 2, 3), high));
}

/** Blocks of 1 or 2; `rest` floats of the row may be less than a vector. */
@inline
function smallBlocks(x: usize, y: usize, K: i32, size: i32, scale: v128): void {
  const odd = i32x4(0, i32.MIN_VALUE, 0, i32.MIN_VALUE);
  for (let k = 0; k < K; k += 4) {
    const count = min(4, K - k);
    const at = (<usize>k) << 2;
    let v = f32x4.mul(count == 4 ? v128.load(x + at) : loadPartial(x + at, count), scale);
    if (size == 2) v = f32x4.add(i32x4.shuffle(v, v, 0, 0, 2, 2), v128.xor(i32x4.shuffle(v, v, 1, 1, 3, 3), odd));
    if (count == 4) v128.store(y + at, v);
    else storePartial(y + at, v, count);
  }
}

function hadamardRow(x: usize, y: usize, K: i32, size: i32, scale: v128): void {
  if (size < 4) return smallBlocks(x, y, K, size, scale);
  const row = (<usize>K) << 2;
  for (let at: usize = 0; at < row; at += 16) v128.store(y + at, withinVector(f32x4.mul(v128.load(x + at), scale)));
  const block = (<usize>size) << 2;
  for (let apart: usize = 16; apart < block; apart <<= 1) {
    for (let pair: usize = 0; pair < row; pair += apart << 1) {
      for (let at = y + pair, end = at + apart; at < end; at += 16) {
        const u = v128.load(at);
        const v = v128.load(at + apart);
        v128.store(at, f32x4.add(u, v));
        v128.store(at + apart, f32x4.sub(u, v));
      }
    }
  }
}

export function hadamard_f32(x: usize, y: usize, K: i32, size: i32, scale: f32, begin: i32, end: i32): void {
  const row = (<usize>K) << 2;
  for (let m = <usize>begin; m < <usize>end; m++) hadamardRow(x + m * row, y + m * row, K, size, f32x4.splat(scale));
}
