// Scalar twins of rope.ts: one pair of channels at a time.
import { rowAt } from "../layouts/layout-kv";

/** Turns `a` and `b`, whose channels lie at those addresses, by angle i of the tables' row of m. */
@inline
function turn(a: usize, b: usize, cos: usize, sin: usize, rows: usize, m: i32, rotary: i32, i: i32): void {
  const angle = (<usize>(rowAt(rows, m).position * (rotary >> 1) + i)) << 2;
  const c = load<f32>(cos + angle);
  const s = load<f32>(sin + angle);
  const first = load<f32>(a);
  const second = load<f32>(b);
  store<f32>(a, first * c - second * s);
  store<f32>(b, second * c + first * s);
}

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
  const half = rotary >> 1;
  for (let m = begin; m < end; m++) {
    for (let h = 0; h < heads; h++) {
      for (let i = 0; i < half; i++) {
        const first = x + ((<usize>(m * stride + h * D + i)) << 2);
        turn(first, first + ((<usize>half) << 2), cos, sin, rows, m, rotary, i);
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
  for (let m = begin; m < end; m++) {
    for (let h = 0; h < heads; h++) {
      for (let i = 0; i < rotary >> 1; i++) {
        const first = x + ((<usize>(m * stride + h * D + 2 * i)) << 2);
        turn(first, first + 4, cos, sin, rows, m, rotary, i);
      }
    }
  }
}
