// Twin of ../attention-backward.ts: the same sums in the same order, one element at a time.
import { exp } from "./math";
import { maxOf } from "./exponential-sum";


@inline
function at(p: usize, i: i32): f32 {
  return load<f32>(p + ((<usize>i) << 2));
}


@inline
function addTo(p: usize, i: i32, value: f32): void {
  store<f32>(p + ((<usize>i) << 2), at(p, i) + value);
}


@inline
function element(matrix: usize, row: i32, column: i32, columns: i32): usize {
  return matrix + ((<usize>(row * columns + column)) << 2);
}

/** Lane d mod 8, then 0-3 with 4-7, then (0 + 1) + (2 + 3). */
function dot(a: usize, b: usize, D: i32): f32 {
  return pair(a, b, D, 0) + pair(a, b, D, 1) + (pair(a, b, D, 2) + pair(a, b, D, 3));
}

function pair(a: usize, b: usize, D: i32, lane: i32): f32 {
  return strided(a, b, D, lane, 8) + strided(a, b, D, lane + 4, 8);
}

function strided(a: usize, b: usize, count: i32, first: i32, step: i32): f32 {
  let sum: f32 = 0;
  for (let i = first; i < count; i += step) sum += at(a, i) * at(b, i);
  return sum;
}

function sumOf(a: usize, count: i32, first: i32): f32 {
  let sum: f32 = 0;
  for (let i = first; i < count; i += 4) sum += at(a, i);
  return sum;
}

export function attention_backward_f32(
  qkv: usize,
  dy: usize,
  dqkv: usize,
  M: i32,
  H: i32,
  Hkv: i32,
  D: i32,
  window: i32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  const stride = (H + 2 * Hkv) * D;
  const scale: f32 = 1 / sqrt<f32>(<f32>D);
  const s = scratch,
    a = scratch + ((<usize>(M + 4)) << 2);
  const shared = H / Hkv;
  for (let kv = begin; kv < end; kv++) {
    const key = (H + kv) * D,
      value = (H + Hkv + kv) * D;
    for (let m = 0; m < M; m++) {
      for (let d = 0; d < D; d++) {
        store<f32>(element(dqkv, m, key + d, stride), 0);
        store<f32>(element(dqkv, m, value + d, stride), 0);
      }
      for (let d = 0; d < shared * D; d++) store<f32>(element(dqkv, m, kv * shared * D + d, stride), 0);
    }
    for (let h = kv * shared; h < (kv + 1) * shared; h++) {
      for (let m = 0; m < M; m++) {
        const first = window > 0 ? max(0, m - window + 1) : 0;
        const count = m - first + 1;
        const q = element(qkv, m, h * D, stride),
          dq = element(dqkv, m, h * D, stride),
          g = element(dy, m, h * D, H * D);
        for (let j = 0; j < count; j++) {
          store<f32>(element(s, 0, j, 0), dot(q, element(qkv, first + j, key, stride), D) * scale);
          store<f32>(element(a, 0, j, 0), dot(g, element(qkv, first + j, value, stride), D));
        }
        const largest = maxOf(s, count);
        for (let j = 0; j < count; j++) store<f32>(element(s, 0, j, 0), exp(at(s, j) - largest));
        const total: f32 = sumOf(s, count, 0) + sumOf(s, count, 1) + (sumOf(s, count, 2) + sumOf(s, count, 3));
        const low: f32 = strided(s, a, count, 0, 4) + strided(s, a, count, 1, 4);
        const mean: f32 = (low + (strided(s, a, count, 2, 4) + strided(s, a, count, 3, 4))) / total;
        for (let j = 0; j < count; j++) {
          const k = element(qkv, first + j, key, stride);
          const p: f32 = at(s, j) / total;
          const e: f32 = p * (at(a, j) - mean) * scale;
          for (let d = 0; d < D; d++) {
            addTo(dq, d, e * at(k, d));
            addTo(element(dqkv, first + j, key, stride), d, e * at(q, d));
            addTo(element(dqkv, first + j, value, stride), d, p * at(g, d));
          }
        }
      }
    }
  }
}
