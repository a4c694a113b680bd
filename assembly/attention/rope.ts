/**
 * Rotary embedding (Su et al. 2021), in place, of the first `rotary` channels of each head. With p =
 * rows[m].position:
 *
 *   a' = a cos[p, i] - b sin[p, i]
 *   b' = b cos[p, i] + a sin[p, i]      products rounded, then the sum;  i < rotary/2
 *
 *   rope_f32         a = x[i],  b = x[i + rotary/2]      half-split (Hugging Face order)
 *   rope_pairs_f32   a = x[2i], b = x[2i + 1]            interleaved (GPT-J, Cohere)
 *
 *   x         rows of `stride` floats; `heads` heads of D at the start of each, the rest of the row is left
 *             alone
 *   cos, sin  f32[positions, rotary/2]     a transposed rotation has -sin
 *   rows      Row[M], of any sequences (layout-kv.ts); only positions are read
 *
 * Preconditions: rotary even, rotary <= D; heads * D <= stride. Reads and writes nothing outside the shapes.
 * Units: rows.
 */
import { rowAt } from "../layouts/layout-kv";

export function rope_f32(
  x: usize,
  cos: usize,
  sin: usize,
  rows: usize,
  heads: i32,
  D: i32,
  rotary: i32,
  stride: i32,
  begin: i32,
  end: i32,
): void {
  const halfBytes = (<usize>(rotary >> 1)) << 2;
  const whole = halfBytes & ~15;
  for (let m = begin; m < end; m++) {
    const angles = <usize>rowAt(rows, m).position * halfBytes;
    const cosRow = cos + angles;
    const sinRow = sin + angles;
    let head = x + <usize>m * ((<usize>stride) << 2);
    for (const rowEnd = head + ((<usize>(heads * D)) << 2); head < rowEnd; head += (<usize>D) << 2) {
      const other = head + halfBytes;
      let i: usize = 0;
      for (; i < whole; i += 16) {
        const a = v128.load(head + i),
          b = v128.load(other + i);
        const c = v128.load(cosRow + i),
          s = v128.load(sinRow + i);
        v128.store(head + i, f32x4.sub(f32x4.mul(a, c), f32x4.mul(b, s)));
        v128.store(other + i, f32x4.add(f32x4.mul(b, c), f32x4.mul(a, s)));
      }
      for (; i < halfBytes; i += 4) {
        const a = load<f32>(head + i),
          b = load<f32>(other + i);
        const c = load<f32>(cosRow + i),
          s = load<f32>(sinRow + i);
        store<f32>(head + i, a * c - b * s);
        store<f32>(other + i, b * c + a * s);
      }
    }
  }
}

export function rope_pairs_f32(
  x: usize,
  cos: usize,
  sin: usize,
  rows: usize,
  heads: i32,
  D: i32,
  rotary: i32,
  stride: i32,
  begin: i32,
  end: i32,
): void {
  const halfBytes = (<usize>(rotary >> 1)) << 2;
  const whole = halfBytes & ~15;
  for (let m = begin; m < end; m++) {
    const angles = <usize>rowAt(rows, m).position * halfBytes;
    const cosRow = cos + angles;
    const sinRow = sin + angles;
    let head = x + <usize>m * ((<usize>stride) << 2);
    for (const rowEnd = head + ((<usize>(heads * D)) << 2); head < rowEnd; head += (<usize>D) << 2) {
      let i: usize = 0;
      for (; i < whole; i += 16) {
        const low = v128.load(head + 2 * i),
          high = v128.load(head + 2 * i, 16);
        const a = f32x4.shuffle(low, high, 0, 2, 4, 6),
          b = f32x4.shuffle(low, high, 1, 3, 5, 7);
        const c = v128.load(cosRow + i),
          s = v128.load(sinRow + i);
        const first = f32x4.sub(f32x4.mul(a, c), f32x4.mul(b, s)),
          second = f32x4.add(f32x4.mul(b, c), f32x4.mul(a, s));
        v128.store(head + 2 * i, f32x4.shuffle(first, second, 0, 4, 1, 5));
        v128.store(head + 2 * i, f32x4.shuffle(first, second, 2, 6, 3, 7), 16);
      }
      for (; i < halfBytes; i += 4) {
        const a = load<f32>(head + 2 * i),
          b = load<f32>(head + 2 * i, 4);
        const c = load<f32>(cosRow + i),
          s = load<f32>(sinRow + i);
        store<f32>(head + 2 * i, a * c - b * s);
        store<f32>(head + 2 * i, b * c + a * s, 4);
      }
    }
  }
}
