/**
 * Residual connection: x[i] += y[i], both f32[count]. Reads and writes nothing outside them. Whole.
 */
import { loadPartial, storePartial } from "./simd";

export function add_f32(x: usize, y: usize, count: i32): void {
  for (const end = x + ((<usize>(count & ~3)) << 2); x < end; x += 16) {
    v128.store(x, f32x4.add(v128.load(x), v128.load(y)));
    y += 16;
  }
  const rest = count & 3;
  storePartial(x, f32x4.add(loadPartial(x, rest), loadPartial(y, rest)), rest);
}
